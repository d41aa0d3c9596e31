/*
 * stdio_lua.c - core.stdio: stdin, stdout, stderr and the terminal.
 *
 * For the library modules of colibri and colibri-run; scripts get the effects
 * of `ctx` and not this.
 */
#include <sys/ioctl.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "host.h"
#include "lx.h"
#include "secret.h"

/* Write all of it. False when nobody reads any more. */
static bool
stdio_write(int fd, const char *p, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			poll(&pfd, 1, -1);
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* A secret that lives does not go to a terminal or a report, as it does not
 * into log and replies. */
static int
stdio_put(lua_State *L, int fd)
{
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len);
	char *redacted;
	bool ok;

	lx_checknargs(L, 1);
	redacted = secret_redact(s, len, &len);
	ok = stdio_write(fd, redacted != NULL ? redacted : s, len);
	free(redacted);
	lua_pushboolean(L, ok);
	return 1;
}

/* stdio.out(text) -> boolean: false when stdout is closed */
static int
lstdio_out(lua_State *L)
{
	return stdio_put(L, STDOUT_FILENO);
}

/* stdio.err(text) -> boolean */
static int
lstdio_err(lua_State *L)
{
	return stdio_put(L, STDERR_FILENO);
}

/* Columns of the terminal, 0 when stdout is none. */
static int
stdio_width(void)
{
	struct winsize ws;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) != 0 || ws.ws_col == 0)
		return 80;
	return ws.ws_col;
}

/* stdio.read() -> string | nil at the end: what is there next, up to 4 KiB.
 * Blocks the whole program: for a client that does nothing else. */
static int
lstdio_read(lua_State *L)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	char buf[4096];
	ssize_t n;

	lx_checknargs(L, 0);
	for (;;) {
		n = read(STDIN_FILENO, buf, sizeof(buf));
		if (n >= 0)
			break;
		if (errno == EAGAIN)
			poll(&pfd, 1, -1);
		else if (errno != EINTR)
			break;
	}
	if (n <= 0)
		lua_pushnil(L);
	else
		lua_pushlstring(L, buf, (size_t)n);
	return 1;
}

/* stdio.ready() -> boolean: would read() come back at once? */
static int
lstdio_ready(lua_State *L)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };

	lx_checknargs(L, 0);
	lua_pushboolean(L, poll(&pfd, 1, 0) > 0);
	return 1;
}

/* stdio.size() -> columns, lines of the terminal; 80, 24 when there is none */
static int
lstdio_size(lua_State *L)
{
	struct winsize ws;

	lx_checknargs(L, 0);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) != 0 || ws.ws_col == 0 ||
	    ws.ws_row == 0) {
		ws.ws_col = 80;
		ws.ws_row = 24;
	}
	lua_pushinteger(L, ws.ws_col);
	lua_pushinteger(L, ws.ws_row);
	return 2;
}

static struct termios before;
static bool is_raw;

/* Also at exit, so that no way out leaves the terminal as it is of no use. */
static void
stdio_restore(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	is_raw = false;
}

/* stdio.raw(on) -> whether stdin is a terminal: with on keys come one by one,
 * unechoed, ^C among them; without, as they did before */
static int
lstdio_raw(lua_State *L)
{
	static bool at_exit;
	bool on = lua_toboolean(L, 1);
	struct termios t;

	lx_checknargs(L, 1);
	if (on && !is_raw && tcgetattr(STDIN_FILENO, &before) == 0) {
		if (!at_exit)
			at_exit = atexit(stdio_restore) == 0;
		t = before;
		t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
		t.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
		t.c_cc[VMIN] = 1;
		t.c_cc[VTIME] = 0;
		is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
	} else if (!on) {
		stdio_restore();
	}
	lua_pushboolean(L, isatty(STDIN_FILENO));
	return 1;
}

int
luaopen_core_stdio(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{ "out", lstdio_out },
		{ "err", lstdio_err },
		{ "read", lstdio_read },
		{ "ready", lstdio_ready },
		{ "size", lstdio_size },
		{ "raw", lstdio_raw },
		{ NULL, NULL }
	};

	luaL_newlib(L, funcs);
	lua_pushboolean(L, isatty(STDOUT_FILENO));
	lua_setfield(L, -2, "is_tty");
	lua_pushboolean(L, isatty(STDIN_FILENO));
	lua_setfield(L, -2, "stdin_is_tty");
	lua_pushinteger(L, stdio_width());
	lua_setfield(L, -2, "width");
	return 1;
}
