/*
 * shim_gate.c - an agent that is held inside its jail; see shim_priv.h and the
 * wire in agent.h.
 *
 * The launchers have no way to wait that they share; what they run in the jail
 * has. It prints a line when it is there, and the agent comes behind it: the
 * line is the last of all output until the agent is let go.
 */
#include <string.h>

#include "shim_priv.h"

#define LINE_LEN	(sizeof(SHIM_INSIDE) - 1)

bool
shim_gate_look(struct shim_gate *g, const char *data, size_t n, size_t *len)
{
	struct buf *b = &g->seen;
	size_t keep;

	buf_add(b, data, n);
	if (b->len >= LINE_LEN && memcmp(b->data + b->len - LINE_LEN,
	    SHIM_INSIDE, LINE_LEN) == 0) {
		b->len -= LINE_LEN;
		*len = b->len;
		g->waits = false;
		return true;
	}
	keep = b->len < LINE_LEN ? b->len : LINE_LEN - 1;
	*len = b->len - keep;
	return false;
}
