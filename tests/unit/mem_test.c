/* links: mem err */
#include <errno.h>

#include "check.h"
#include "err.h"
#include "mem.h"

TEST(buffer_grows_and_drains)
{
	struct buf b = { 0 };

	buf_add_str(&b, "hello ");
	buf_add(&b, "world", 5);
	CHECK_MEM(b.data, b.len, "hello world", 11);
	buf_drain(&b, 6);
	CHECK_MEM(b.data, b.len, "world", 5);
	buf_drain(&b, 5);
	CHECK_INT(b.len, 0);
	buf_free(&b);
}

TEST(error_keeps_errno_and_context)
{
	struct err e = ERR_INIT;

	errno = ENOENT;
	CHECK_INT(err_sys(&e, "NotFound", "open %s", "a\nb"), -1);
	CHECK_INT(e.sys, ENOENT);
	CHECK_INT(errno, ENOENT);
	CHECK_STR(e.text, "open a?b: No such file or directory");
	err_wrap(&e, "tenant %s", "proof0");
	CHECK_STR(e.code, "NotFound");
	CHECK_STR(e.text, "tenant proof0: open a?b: No such file or directory");
}

TEST(long_context_never_hides_the_cause)
{
	struct err e = ERR_INIT;
	char big[1000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e, "Bad", "the cause");
	err_wrap(&e, "%s", big);
	CHECK_HAS(e.text, "the cause");
}

CHECK_MAIN(
    RUN(buffer_grows_and_drains);
    RUN(error_keeps_errno_and_context);
    RUN(long_context_never_hides_the_cause))
