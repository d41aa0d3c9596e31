/*
 * stdio_lua.c - core.stdio: stdout, stderr and the terminal's width.
 *
 * For the library modules of colibri and colibri-run; scripts get the effects
 * of `ctx` and not this.
 */
#include <sys/ioctl.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "host.h"
#include "lx.h"

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

static int
stdio_put(lua_State *L, int fd)
{
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len);

	lx_checknargs(L, 1);
	lua_pushboolean(L, stdio_write(fd, s, len));
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

int
luaopen_core_stdio(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{ "out", lstdio_out },
		{ "err", lstdio_err },
		{ NULL, NULL }
	};

	luaL_newlib(L, funcs);
	lua_pushboolean(L, isatty(STDOUT_FILENO));
	lua_setfield(L, -2, "is_tty");
	lua_pushinteger(L, stdio_width());
	lua_setfield(L, -2, "width");
	return 1;
}
