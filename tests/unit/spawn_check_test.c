/* links: spawn spawn_check spawn_image reaper loop mem err log log_line secret secret_redact */
#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "spawn_fixture.h"

/* The code of a start that must fail. */
static const char *
refused(const char *program, const char *cwd, struct err *e)
{
	const char *const argv[] = { program, NULL };
	struct spawn_spec spec = { .argv = argv, .cwd = cwd };
	struct seen seen = { 0 };
	struct spawn *s = NULL;

	if (spawn_start(loop, reaper, &spec, seen_cb, &seen, &s, e) == 0) {
		spawn_free(s);
		return "started";
	}
	return e->code;
}

struct place {
	char dir[64], file[96], link[96];
};

static void
place_make(struct place *p, const char *content)
{
	int fd;

	strcpy(p->dir, "/tmp/colibri-spawn-XXXXXX");
	CHECK(mkdtemp(p->dir) != NULL);
	snprintf(p->file, sizeof(p->file), "%s/program", p->dir);
	snprintf(p->link, sizeof(p->link), "%s/link", p->dir);
	fd = open(p->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	CHECK_INT(write(fd, content, strlen(content)), strlen(content));
	close(fd);
	chmod(p->file, 0755);
}

static void
place_remove(struct place *p)
{
	unlink(p->link);
	unlink(p->file);
	CHECK_INT(rmdir(p->dir), 0);
}

TEST(exec_failures_carry_errno)
{
	struct err e = ERR_INIT;
	struct place p;

	setup();
	place_make(&p, "#!/nonexistent/interpreter\n");
	CHECK_STR(refused(p.file, NULL, &e), "SpawnFailed");
	CHECK_INT(e.sys, ENOENT);
	CHECK_HAS(e.text, p.file);
	place_remove(&p);
	place_make(&p, "not a program\n");
	CHECK_STR(refused(p.file, NULL, &e), "SpawnFailed");
	CHECK_INT(e.sys, ENOEXEC);
	place_remove(&p);
	CHECK_STR(refused("/bin/true", "/nonexistent/dir", &e), "SpawnFailed");
	CHECK_INT(e.sys, ENOENT);
	CHECK_HAS(e.text, "/nonexistent/dir");
	teardown();
}

TEST(bad_programs_are_refused)
{
	struct err e = ERR_INIT;
	struct place p;

	setup();
	CHECK_STR(refused("true", NULL, &e), "ProgramNotTrusted");
	CHECK_STR(refused("bin/true", NULL, &e), "ProgramNotTrusted");
	CHECK_STR(refused("/nonexistent", NULL, &e), "ProgramNotFound");
	CHECK_STR(refused("/bin/true/x", NULL, &e), "ProgramNotFound");
	CHECK_STR(refused("/usr", NULL, &e), "ProgramNotTrusted");
	place_make(&p, "#!/bin/sh\n");
	CHECK_STR(refused(p.file, NULL, &e), "started");
	chmod(p.file, 0644);
	CHECK_STR(refused(p.file, NULL, &e), "ProgramNotTrusted");
	chmod(p.file, 0775);
	CHECK_STR(refused(p.file, NULL, &e), "ProgramNotTrusted");
	CHECK_HAS(e.text, "writable by group or others");
	chmod(p.file, 0757);
	CHECK_STR(refused(p.file, NULL, &e), "ProgramNotTrusted");
	chmod(p.file, 0755);
	chmod(p.dir, 0777);
	CHECK_STR(refused(p.file, NULL, &e), "ProgramNotTrusted");
	chmod(p.dir, 01777);
	CHECK_STR(refused(p.file, NULL, &e), "started");
	if (geteuid() == 0) {
		CHECK_INT(chown(p.file, 12345, 12345), 0);
		CHECK_STR(refused(p.file, NULL, &e), "ProgramNotTrusted");
		CHECK_HAS(e.text, "uid 12345");
	}
	place_remove(&p);
	teardown();
}

TEST(a_link_counts_as_what_it_names)
{
	const char *const argv[] = { NULL, "-c", "echo $0", NULL };
	const char *words[ARRAY_LEN(argv)];
	struct err e = ERR_INIT;
	struct seen seen = { 0 };
	char real[PATH_MAX];
	struct place p;

	setup();
	place_make(&p, "#!/bin/sh\n");
	CHECK_INT(symlink("/bin/sh", p.link), 0);
	CHECK_INT(spawn_resolve_program(p.link, real, &e), 0);
	CHECK(strcmp(real, p.link) != 0);
	memcpy(words, argv, sizeof(argv));
	words[0] = p.link;
	run("", (struct spawn_spec){ .argv = words }, &seen);
	snprintf(seen.err, sizeof(seen.err), "%s\n", p.link);
	CHECK_STR(seen.out, seen.err);	/* argv[0] is not rewritten */
	unlink(p.link);
	chmod(p.file, 0777);
	CHECK_INT(symlink(p.file, p.link), 0);
	CHECK_STR(refused(p.link, NULL, &e), "ProgramNotTrusted");
	place_remove(&p);
	teardown();
}

TEST(finds_programs_in_the_fixed_list)
{
	struct err e = ERR_INIT;
	char path[PATH_MAX];

	CHECK_INT(spawn_find_program("sh", path, sizeof(path), &e), 0);
	CHECK(path[0] == '/');
	CHECK_INT(spawn_find_program("/bin/sh", path, sizeof(path), &e), 0);
	CHECK_STR(path, "/bin/sh");
	CHECK_INT(spawn_find_program("no-such-program", path, sizeof(path),
	    &e), -1);
	CHECK_STR(e.code, "ProgramNotFound");
	CHECK_INT(spawn_find_program("", path, sizeof(path), &e), -1);
	CHECK_STR(e.code, "ProgramNotFound");
	CHECK_INT(spawn_find_program("./sh", path, sizeof(path), &e), -1);
	CHECK_STR(e.code, "ProgramNotTrusted");
	CHECK_INT(spawn_find_program("sh", path, 4, &e), -1);
	CHECK_INT(spawn_check_program("/bin/sh", &e), 0);
}

CHECK_MAIN(
    RUN(exec_failures_carry_errno);
    RUN(bad_programs_are_refused);
    RUN(a_link_counts_as_what_it_names);
    RUN(finds_programs_in_the_fixed_list))
