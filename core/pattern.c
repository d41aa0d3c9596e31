/*
 * pattern.c - Lua patterns, matched in bounded steps; see pattern.h.
 *
 * The pattern is a row of items. Matching walks along it in state ITEM; an item
 * that could match in another way too leaves a choice on the stack, and state
 * BACK takes the newest choice up again. No item comes twice on one way through
 * a pattern, so the stack never holds more than one choice per item. What may
 * take long inside one item (EXPAND, BALANCE) is a state too, so that it can
 * stop anywhere.
 */
#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "pattern.h"

#define ESC	'%'

enum { ITEM, BACK, EXPAND, BALANCE };	/* states */
enum {					/* kinds of choices */
	GREEDY,			/* n more of the item, down to none */
	LAZY,			/* one more of the item p */
	SKIP,			/* without the item */
	UNOPEN,			/* forget a capture */
	UNCLOSE			/* open capture n again */
};

/* The byte at p, 0 at the end of the pattern, as if it were a C string. */
static unsigned char
pat_at(const struct pattern *m, const unsigned char *p)
{
	return p < m->pat_end ? *p : 0;
}

/* Is c of the class that letter names? A letter that names none is itself. */
static bool
class_has(unsigned char letter, unsigned char c)
{
	bool is;

	switch (tolower(letter)) {
	case 'a':
		is = isalpha(c);
		break;
	case 'c':
		is = iscntrl(c);
		break;
	case 'd':
		is = isdigit(c);
		break;
	case 'g':
		is = isgraph(c);
		break;
	case 'l':
		is = islower(c);
		break;
	case 'p':
		is = ispunct(c);
		break;
	case 's':
		is = isspace(c);
		break;
	case 'u':
		is = isupper(c);
		break;
	case 'w':
		is = isalnum(c);
		break;
	case 'x':
		is = isxdigit(c);
		break;
	case 'z':			/* not in the manual any more */
		is = c == 0;
		break;
	default:
		return letter == c;
	}
	return isupper(letter) ? !is : is;
}

/* Is c in the set whose text is from p ("[") to last ("]")? */
static bool
set_has(struct pattern *m, const unsigned char *p, const unsigned char *last,
    unsigned char c)
{
	bool negated = p[1] == '^', found = false;

	m->fuel -= (last - p) / 4;
	for (p += negated ? 2 : 1; p < last && !found; p++) {
		if (*p == ESC) {
			p++;
			found = class_has(*p, c);
		} else if (p + 2 < last && p[1] == '-') {
			found = *p <= c && c <= p[2];
			p += 2;
		} else {
			found = *p == c;
		}
	}
	return found != negated;
}

/* The end of the single-character item at p, or NULL with an error. */
static const unsigned char *
item_end(struct pattern *m, const unsigned char *p)
{
	if (*p == ESC) {
		if (p + 1 < m->pat_end)
			return p + 2;
		m->error = "malformed pattern (ends with '%%')";
		return NULL;
	}
	if (*p != '[')
		return p + 1;
	p += pat_at(m, p + 1) == '^' ? 2 : 1;
	/* The first character belongs to the set, even a "]". */
	do {
		if (p >= m->pat_end) {
			m->error = "malformed pattern (missing ']')";
			return NULL;
		}
		m->fuel--;
		if (*p++ == ESC && p < m->pat_end)
			p++;
	} while (pat_at(m, p) != ']');
	return p + 1;
}

/* Does the single-character item from p to ep match the byte at s? */
static bool
item_has(struct pattern *m, const unsigned char *p, const unsigned char *ep,
    const unsigned char *s)
{
	if (s >= m->text_end)
		return false;
	switch (*p) {
	case '.':
		return true;
	case ESC:
		return class_has(p[1], *s);
	case '[':
		return set_has(m, p, ep - 1, *s);
	default:
		return *p == *s;
	}
}

/* Room for one more choice? pattern_run() looks before each item. */
static void
push(struct pattern *m, int kind, const unsigned char *s,
    const unsigned char *p, const unsigned char *ep, size_t n)
{
	m->stack[m->nstack++] = (struct pattern_choice){ (unsigned char)kind,
	    s, p, ep, n };
}

static enum pattern_result
error(struct pattern *m, const char *text)
{
	m->error = text;
	return PATTERN_ERROR;
}

/* What the steps below return when there is nothing to tell. */
#define GO_ON	PATTERN_MORE

static enum pattern_result
step_open(struct pattern *m)
{
	bool position = pat_at(m, m->p + 1) == ')';

	if (m->ncaptures == PATTERN_CAPTURES)
		return error(m, "too many captures");
	m->capture[m->ncaptures++] = (struct pattern_capture){ m->s,
	    position ? PATTERN_POSITION : PATTERN_OPEN };
	push(m, UNOPEN, NULL, NULL, NULL, 0);
	m->p += position ? 2 : 1;
	return GO_ON;
}

static enum pattern_result
step_close(struct pattern *m)
{
	int i = m->ncaptures - 1;

	while (i >= 0 && m->capture[i].len != PATTERN_OPEN)
		i--;
	if (i < 0)
		return error(m, "invalid pattern capture");
	m->capture[i].len = m->s - m->capture[i].at;
	push(m, UNCLOSE, NULL, NULL, NULL, (size_t)i);
	m->p++;
	return GO_ON;
}

/* %f[set]: between a byte that is not in the set and one that is; both ends of
 * the subject count as a zero byte. */
static enum pattern_result
step_frontier(struct pattern *m)
{
	const unsigned char *set = m->p + 2, *ep;
	unsigned char before = m->s == m->text ? 0 : m->s[-1];
	unsigned char after = m->s < m->text_end ? *m->s : 0;

	if (pat_at(m, set) != '[')
		return error(m, "missing '[' after '%%f' in pattern");
	ep = item_end(m, set);
	if (ep == NULL)
		return PATTERN_ERROR;
	if (!set_has(m, set, ep - 1, before) && set_has(m, set, ep - 1, after))
		m->p = ep;
	else
		m->state = BACK;
	return GO_ON;
}

/* %1: what a capture matched, once more. */
static enum pattern_result
step_again(struct pattern *m)
{
	int i = m->p[1] - '1';
	size_t len;

	if (i < 0 || i >= m->ncaptures || m->capture[i].len == PATTERN_OPEN) {
		m->error_index = i + 1;
		return error(m, "invalid capture index %%%d");
	}
	/* A position matches nothing. */
	len = (size_t)m->capture[i].len;
	if (m->capture[i].len < 0 || (size_t)(m->text_end - m->s) < len) {
		m->state = BACK;
		return GO_ON;
	}
	m->fuel -= (int64_t)(len / 16);
	if (memcmp(m->capture[i].at, m->s, len) == 0) {
		m->s += len;
		m->p += 2;
	} else {
		m->state = BACK;
	}
	return GO_ON;
}

/* A single-character item, with or without a suffix. */
static enum pattern_result
step_single(struct pattern *m)
{
	const unsigned char *ep = item_end(m, m->p);
	unsigned char suffix;
	bool has;

	if (ep == NULL)
		return PATTERN_ERROR;
	suffix = pat_at(m, ep);
	if (suffix == '*' || suffix == '+') {
		m->ep = ep;
		m->n = 0;
		m->state = EXPAND;
		return GO_ON;
	}
	if (suffix == '-') {
		push(m, LAZY, m->s, m->p, ep, 0);
		m->p = ep + 1;
		return GO_ON;
	}
	has = item_has(m, m->p, ep, m->s);
	if (suffix == '?') {
		if (has)
			push(m, SKIP, m->s, NULL, ep, 0);
		m->s += has;
		m->p = ep + 1;
	} else if (has) {
		m->s++;
		m->p = ep;
	} else {
		m->state = BACK;
	}
	return GO_ON;
}

static enum pattern_result
step_item(struct pattern *m)
{
	unsigned char next = pat_at(m, m->p + 1);

	if (m->nstack == m->stack_size)
		return PATTERN_GROW;
	m->fuel--;
	switch (*m->p) {
	case '(':
		return step_open(m);
	case ')':
		return step_close(m);
	case '$':
		if (m->p + 1 != m->pat_end)
			break;
		m->p++;
		if (m->s != m->text_end)
			m->state = BACK;
		return GO_ON;
	case ESC:
		if (next == 'f')
			return step_frontier(m);
		if (next >= '0' && next <= '9')
			return step_again(m);
		if (next != 'b')
			break;
		if (m->pat_end - m->p < 4)
			return error(m, "malformed pattern (missing arguments "
			    "to '%%b')");
		if (m->s == m->text_end || *m->s != m->p[2]) {
			m->state = BACK;
			return GO_ON;
		}
		m->n = 1;
		m->ep = m->s + 1;
		m->state = BALANCE;
		return GO_ON;
	}
	return step_single(m);
}

/* Count how often the item matches, as long as the fuel lasts. */
static void
step_expand(struct pattern *m)
{
	bool at_least_one = *m->ep == '+';

	while (item_has(m, m->p, m->ep, m->s + m->n)) {
		m->n++;
		if (--m->fuel <= 0)
			return;
	}
	if (at_least_one && m->n == 0) {
		m->state = BACK;
		return;
	}
	if (m->n > (at_least_one ? 1 : 0))
		push(m, GREEDY, m->s, NULL, m->ep,
		    m->n - 1 - (at_least_one ? 1 : 0));
	/* The choice counts from the least number that is allowed. */
	if (m->n > (at_least_one ? 1 : 0) && at_least_one)
		m->stack[m->nstack - 1].s++;
	m->s += m->n;
	m->p = m->ep + 1;
	m->state = ITEM;
}

/* %bxy: from an x to the y that closes it; n counts what is open. */
static void
step_balance(struct pattern *m)
{
	for (; m->ep < m->text_end; m->ep++) {
		if (--m->fuel <= 0)
			return;
		if (*m->ep == m->p[3]) {
			if (--m->n == 0) {
				m->s = m->ep + 1;
				m->p += 4;
				m->state = ITEM;
				return;
			}
		} else if (*m->ep == m->p[2]) {
			m->n++;
		}
	}
	m->state = BACK;
}

/* Take the newest choice up. Returns false when there is none left. */
static bool
step_back(struct pattern *m)
{
	struct pattern_choice *c;

	while (m->nstack > 0) {
		c = &m->stack[m->nstack - 1];
		m->fuel--;
		switch (c->kind) {
		case UNOPEN:
			m->ncaptures--;
			m->nstack--;
			continue;
		case UNCLOSE:
			m->capture[c->n].len = PATTERN_OPEN;
			m->nstack--;
			continue;
		case GREEDY:
			m->s = c->s + c->n;
			if (c->n-- == 0)
				m->nstack--;
			break;
		case LAZY:
			if (!item_has(m, c->p, c->ep, c->s)) {
				m->nstack--;
				continue;
			}
			m->s = ++c->s;
			break;
		case SKIP:
			m->s = c->s;
			m->nstack--;
			break;
		}
		m->p = c->ep + 1;
		m->state = ITEM;
		return true;
	}
	return false;
}

void
pattern_start(struct pattern *m, const unsigned char *s)
{
	m->s = s;
	m->p = m->pat;
	m->state = ITEM;
	m->nstack = 0;
	m->ncaptures = 0;
	m->error = NULL;
}

enum pattern_result
pattern_run(struct pattern *m)
{
	enum pattern_result r;

	while (m->fuel > 0) {
		switch (m->state) {
		case ITEM:
			if (m->p == m->pat_end) {
				m->end = m->s;
				return PATTERN_MATCH;
			}
			r = step_item(m);
			if (r != GO_ON)
				return r;
			break;
		case BACK:
			if (!step_back(m))
				return PATTERN_FAIL;
			break;
		case EXPAND:
			step_expand(m);
			break;
		case BALANCE:
			step_balance(m);
			break;
		}
	}
	return PATTERN_MORE;
}

bool
pattern_is_plain(const char *pat, size_t len)
{
	static const bool special[UCHAR_MAX + 1] = { ['^'] = true,
	    ['$'] = true, ['*'] = true, ['+'] = true, ['?'] = true,
	    ['.'] = true, ['('] = true, ['['] = true, [ESC] = true,
	    ['-'] = true };
	size_t i;

	for (i = 0; i < len; i++) {
		if (special[(unsigned char)pat[i]])
			return false;
	}
	return true;
}
