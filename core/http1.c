/*
 * http1.c - the replies of HTTP/1.1, read strictly; see http1.h.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http1.h"

enum { READ_STATUS, READ_HEADER, READ_BODY, READ_SIZE, READ_CHUNK,
    READ_CHUNK_END, READ_TRAILER, READ_DONE };

void
http1_start(struct http1 *h, size_t max)
{
	memset(h, 0, sizeof(*h));
	h->state = READ_STATUS;
	h->max = max;
}

void
http1_free(struct http1 *h)
{
	secret_buf_free(&h->body);
	secret_wipe(h->line, sizeof(h->line));
	h->line_len = 0;
}

static int
http1_fail(struct err *e, const char *why)
{
	return err_set(e, "VaultProtocol", "not a proper HTTP reply: %s", why);
}

/* --- lines of the head --- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason may be missing. */
static int
status_line(struct http1 *h, struct err *e)
{
	static const char version[] = "HTTP/1.1 ";
	const char *p = h->line + sizeof(version) - 1;

	if (h->line_len < sizeof(version) - 1 + 3 ||
	    memcmp(h->line, version, sizeof(version) - 1) != 0 ||
	    !is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2]) ||
	    (p[3] != '\0' && p[3] != ' '))
		return http1_fail(e, "bad status line");
	h->status = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
	/* We ask for nothing that has an interim reply. */
	if (h->status < 200 || h->status > 599)
		return http1_fail(e, "a status that we did not ask for");
	h->state = READ_HEADER;
	return 0;
}

static int
content_length(struct http1 *h, const char *value, struct err *e)
{
	uint64_t n = 0;

	if (h->has_length || h->chunked)
		return http1_fail(e, "two lengths");
	if (*value == '\0')
		return http1_fail(e, "bad Content-Length");
	for (; *value != '\0'; value++) {
		if (!is_digit(*value) || n > SIZE_MAX / 16)
			return http1_fail(e, "bad Content-Length");
		n = n * 10 + (uint64_t)(*value - '0');
	}
	if (n > h->max)
		return http1_fail(e, "the body is too large");
	h->has_length = true;
	h->left = n;
	return 0;
}

static bool
is_token_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Split "Name: value" in place; blanks around the value go. */
static char *
header_value(struct http1 *h, struct err *e)
{
	char *value, *end = h->line + h->line_len;
	size_t n = 0;

	while (is_token_char(h->line[n]))
		n++;
	if (n == 0 || h->line[n] != ':') {
		http1_fail(e, "bad header");
		return NULL;
	}
	h->line[n] = '\0';
	value = h->line + n + 1;
	while (*value == ' ' || *value == '\t')
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return value;
}

static int
header_line(struct http1 *h, struct err *e)
{
	char *value = header_value(h, e);

	if (value == NULL)
		return -1;
	if (strcasecmp(h->line, "Content-Length") == 0)
		return content_length(h, value, e);
	if (strcasecmp(h->line, "Transfer-Encoding") == 0) {
		if (h->has_length || h->chunked)
			return http1_fail(e, "two lengths");
		if (strcasecmp(value, "chunked") != 0)
			return http1_fail(e, "a coding that we did not ask for");
		h->chunked = true;
	} else if (strcasecmp(h->line, "Content-Encoding") == 0) {
		return http1_fail(e, "a coding that we did not ask for");
	} else if (strcasecmp(h->line, "Connection") == 0) {
		h->close = strcasecmp(value, "keep-alive") != 0;
	}
	return 0;
}

static int
head_end(struct http1 *h, struct err *e)
{
	if (h->status == 204 || h->status == 304) {
		if (h->chunked || h->left != 0)
			return http1_fail(e, "a body where none may be");
		h->state = READ_DONE;
	} else if (h->chunked) {
		h->state = READ_SIZE;
	} else if (!h->has_length) {
		return http1_fail(e, "no length");
	} else {
		h->state = h->left != 0 ? READ_BODY : READ_DONE;
	}
	return 0;
}

/* "1a3" or "1a3;name=value" */
static int
chunk_size(struct http1 *h, struct err *e)
{
	static const char digits[] = "0123456789abcdef";
	const char *d;
	uint64_t n = 0;
	size_t i;
	char c;

	for (i = 0; i < h->line_len; i++) {
		c = h->line[i];
		if (c >= 'A' && c <= 'F')
			c = (char)(c - 'A' + 'a');
		d = c != '\0' ? strchr(digits, c) : NULL;
		if (d == NULL)
			break;
		if (n > SIZE_MAX / 32)
			return http1_fail(e, "bad chunk");
		n = n * 16 + (uint64_t)(d - digits);
	}
	if (i == 0 || (i < h->line_len && h->line[i] != ';'))
		return http1_fail(e, "bad chunk");
	if (n > h->max - h->body.len)
		return http1_fail(e, "the body is too large");
	h->left = n;
	h->state = n != 0 ? READ_CHUNK : READ_TRAILER;
	if (n == 0)
		h->head_len = 0;
	return 0;
}

/* A line is complete, without its CR LF, NUL-terminated. */
static int
take_line(struct http1 *h, struct err *e)
{
	switch (h->state) {
	case READ_STATUS:
		return status_line(h, e);
	case READ_HEADER:
		return h->line_len != 0 ? header_line(h, e) : head_end(h, e);
	case READ_SIZE:
		return chunk_size(h, e);
	case READ_CHUNK_END:
		h->state = READ_SIZE;
		return h->line_len == 0 ? 0 : http1_fail(e, "bad chunk");
	default:			/* READ_TRAILER */
		if (h->line_len == 0)
			h->state = READ_DONE;
		return 0;
	}
}

/* One byte of a line. */
static int
line_byte(struct http1 *h, char c, struct err *e)
{
	int rc;

	if (h->state != READ_SIZE && h->state != READ_CHUNK_END &&
	    ++h->head_len > HTTP1_HEAD_MAX)
		return http1_fail(e, "the head is too long");
	if (c != '\n') {
		if (h->line_len == sizeof(h->line) - 1)
			return http1_fail(e, "a line is too long");
		h->line[h->line_len++] = c;
		return 0;
	}
	if (h->line_len == 0 || h->line[h->line_len - 1] != '\r')
		return http1_fail(e, "a line without CR");
	h->line[--h->line_len] = '\0';
	if (strlen(h->line) != h->line_len || strchr(h->line, '\r') != NULL)
		return http1_fail(e, "a control byte in a line");
	rc = take_line(h, e);
	h->line_len = 0;
	return rc;
}

int
http1_feed(struct http1 *h, const char *p, size_t len, size_t *used,
    struct err *e)
{
	size_t i = 0, n;

	while (i < len && h->state != READ_DONE) {
		if (h->state != READ_BODY && h->state != READ_CHUNK) {
			if (line_byte(h, p[i++], e) != 0) {
				*used = i;
				return -1;
			}
			continue;
		}
		n = len - i < h->left ? len - i : (size_t)h->left;
		memcpy(secret_buf_reserve(&h->body, n), p + i, n);
		h->body.len += n;
		h->left -= n;
		i += n;
		if (h->left == 0)
			h->state = h->state == READ_BODY ? READ_DONE :
			    READ_CHUNK_END;
	}
	*used = i;
	return h->state == READ_DONE ? 1 : 0;
}

/* --- requests --- */

static bool
is_visible(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++, n++) {
		if (*s <= ' ' || *s > '~')
			return false;
	}
	return n > 0;
}

int
http1_request(char *out, size_t size, const char *method, const char *path,
    const char *host, long long body_len, struct err *e)
{
	char length[96] = "";
	int n;

	if (!is_visible(method) || !is_visible(path) || path[0] != '/' ||
	    !is_visible(host))
		return err_set(e, "BadParameter", "not an HTTP request");
	if (body_len >= 0)
		snprintf(length, sizeof(length), "Content-Type: "
		    "application/json\r\nContent-Length: %lld\r\n", body_len);
	n = snprintf(out, size, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", method,
	    path, host, length);
	if (n < 0 || (size_t)n >= size)
		return err_set(e, "BadParameter", "an HTTP request too long");
	return n;
}
