/*
 * shim_input.c - bytes for the agent's stdin; see shim_priv.h.
 *
 * What the pipe does not take waits, bounded: an agent that does not read is
 * told to who sends, and never blocks the shim. Bytes may be prompts that
 * nobody else should see, so they are wiped when they are written.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "shim_priv.h"

static void
input_forget(struct shim_input *in, size_t len)
{
	struct secret_buf *b = &in->waiting;

	b->len -= len;
	memmove(b->data, b->data + len, b->len);
	secret_wipe(b->data + b->len, len);
	if (b->len == 0)
		secret_buf_free(b);
}

void
shim_input_flush(struct shim_input *in)
{
	ssize_t n;

	while (in->fd >= 0 && in->waiting.len > 0) {
		n = write(in->fd, in->waiting.data, in->waiting.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {		/* nobody can read it any more */
			close(in->fd);
			in->fd = -1;
			input_forget(in, in->waiting.len);
			return;
		}
		input_forget(in, (size_t)n);
	}
}

int
shim_input_add(struct shim_input *in, const char *bytes, size_t len)
{
	if (!in->any)
		return ENOTSUP;
	if (in->fd < 0 && !in->held)
		return EPIPE;
	if (len > SHIM_INPUT_MAX || in->waiting.len > SHIM_INPUT_MAX - len)
		return EAGAIN;
	if (len == 0)
		return 0;
	memcpy(secret_buf_reserve(&in->waiting, len), bytes, len);
	in->waiting.len += len;
	shim_input_flush(in);
	return in->fd < 0 && !in->held ? EPIPE : 0;
}
