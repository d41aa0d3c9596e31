/*
 * lua_agent_input.c - bytes for an agent's stdin, through its shim.
 */
#include <errno.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_agent_priv.h"
#include "lx.h"
#include "task.h"

/* Waits for the shim's answer. */
struct lagent_input {
	struct op op;
	LIST_ENTRY(lagent_input) link;
	bool linked, gone;
	long number;
	int error;
	int64_t waiting;
};

static void
input_stop(struct op *base)
{
	struct lagent_input *in = (struct lagent_input *)base;

	if (in->linked)
		LIST_REMOVE(in, link);
	in->linked = false;
}

static int
input_push(lua_State *L, struct op *base)
{
	struct lagent_input *in = (struct lagent_input *)base;
	struct err e = ERR_INIT;

	if (in->gone) {
		err_set(&e, "AgentNotRunning", "the agent has ended, or its "
		    "shim does not answer");
	} else if (in->error == ENOTSUP) {
		err_set(&e, "AgentNoInput", "the agent takes no input");
	} else if (in->error == EPIPE) {
		err_set(&e, "AgentNoInput", "the agent has closed its input");
	} else if (in->error != 0) {
		err_set(&e, "AgentNotReading", "the agent does not read its "
		    "input; %lld bytes wait", (long long)in->waiting);
	} else {
		lua_pushinteger(L, (lua_Integer)in->waiting);
		return 1;
	}
	return lx_fail(L, &e);
}

void
lagent_answer(struct lagent *a, const struct agent_msg *msg)
{
	struct lagent_input *in;

	LIST_FOREACH(in, &a->inputs, link) {
		if (in->number != msg->number)
			continue;
		in->error = msg->code;
		in->waiting = msg->waiting;
		LIST_REMOVE(in, link);
		in->linked = false;
		op_wake(&in->op);
		return;
	}
}

void
lagent_no_answer(struct lagent *a)
{
	struct lagent_input *in;

	while ((in = LIST_FIRST(&a->inputs)) != NULL) {
		LIST_REMOVE(in, link);
		in->linked = false;
		in->gone = true;
		op_wake(&in->op);
	}
}

/* handle:send(text) -> bytes that wait for the agent to read | nil,
 * err(AgentNoInput, AgentNotReading, AgentNotRunning): to its stdin, all of it
 * or nothing. Waits for the shim. */
int
lagent_send(lua_State *L)
{
	struct lagent *a = lagent_check_handle(L);
	struct lagent_input *in;
	const char *text;
	size_t len;

	text = luaL_checklstring(L, 2, &len);
	lx_checknargs(L, 2);
	in = op_new(L, sizeof(*in), input_push, input_stop);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	if (len > AGENT_INPUT_MAX) {
		in->error = EAGAIN;
		op_wake(&in->op);
		return op_wait(L, &in->op);
	}
	in->number = a->agent != NULL ? agent_input(a->agent, text, len) : 0;
	if (in->number == 0) {
		in->gone = true;
		op_wake(&in->op);
	} else {
		LIST_INSERT_HEAD(&a->inputs, in, link);
		in->linked = true;
	}
	return op_wait(L, &in->op);
}
