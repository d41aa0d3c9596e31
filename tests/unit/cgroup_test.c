/* links: cgroup mem */
/*
 * In ordinary directories; what the kernel does of it is in e2e/cgroup_test.lua.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "check.h"
#include "mem.h"

static char base[] = "/tmp/colibri-cgroup-XXXXXX";

static char *
below(const char *name)
{
	return xasprintf("%s/%s", base, name);
}

static void
put(const char *name, const char *text)
{
	char *path = below(name);
	FILE *f = fopen(path, "w");

	if (f != NULL) {
		fputs(text, f);
		fclose(f);
	}
	free(path);
}

TEST(removes_what_is_below_and_only_directories)
{
	const char *names[] = { "g", "g/payload", "g/payload/a", "g/payload/b",
	    "g/supervisor" };
	char *dir = below("g"), *path;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		path = below(names[i]);
		CHECK_INT(mkdir(path, 0700), 0);
		free(path);
	}
	cgroup_remove(dir);
	CHECK_INT(access(dir, F_OK), -1);
	cgroup_remove(dir);		/* again: nothing */
	CHECK_INT(mkdir(dir, 0700), 0);
	put("g/file", "");
	path = below("target");
	CHECK_INT(mkdir(path, 0700), 0);
	free(path);
	path = below("g/link");
	CHECK_INT(symlink("../target", path), 0);
	cgroup_remove(dir);
	CHECK_INT(access(dir, F_OK), 0);
	unlink(path);
	free(path);
	path = below("target");
	CHECK_INT(rmdir(path), 0);
	free(path);
	path = below("g/file");
	CHECK_INT(unlink(path), 0);
	free(path);
	cgroup_remove(dir);
	CHECK_INT(access(dir, F_OK), -1);
	free(dir);
}

TEST(oom_kills_are_read_strictly)
{
	CHECK_INT(cgroup_oom_kills(base), 0);
	put("memory.events", "low 0\nhigh 0\nmax 12\noom 2\noom_kill 3\n");
	CHECK_INT(cgroup_oom_kills(base), 3);
	put("memory.events", "oom_kill 3\n");
	CHECK_INT(cgroup_oom_kills(base), 0);
	put("memory.events", "");
	CHECK_INT(cgroup_oom_kills(base), 0);
	put("cgroup.kill", "");
	cgroup_kill(base);
	cgroup_kill("/nonexistent");
}

int
main(void)
{
	char *path;

	if (mkdtemp(base) == NULL)
		return 1;
	RUN(removes_what_is_below_and_only_directories);
	RUN(oom_kills_are_read_strictly);
	path = below("memory.events");
	unlink(path);
	free(path);
	path = below("cgroup.kill");
	unlink(path);
	free(path);
	rmdir(base);
	printf("1..%d\n", check_number);
	return check_failed_tests != 0;
}
