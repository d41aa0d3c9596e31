/*
 * shim_limits.c - what the agent's process may use; see shim_priv.h.
 *
 * Set in the child before its exec, so the launcher has them too and passes
 * them on into the jail. A cgroup (v2) is made, given its values and entered in
 * the same way; the shim removes it when everybody is gone.
 */
#include <sys/types.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "shim_priv.h"

static const struct {
	const char *name;
	int resource;
} resources[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "stack", RLIMIT_STACK },
};

/* A number, or "unlimited"; *end is behind it. */
static int
limit_value(const char *text, rlim_t *v, const char **end)
{
	size_t len = strlen("unlimited");
	unsigned long long n;
	char *behind;

	if (strncmp(text, "unlimited", len) == 0) {
		*v = RLIM_INFINITY;
		*end = text + len;
		return 0;
	}
	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	n = strtoull(text, &behind, 10);
	*v = (rlim_t)n;
	*end = behind;
	return errno != 0 ? -1 : 0;
}

/* "SOFT" or "SOFT:HARD" */
static int
limit_set(int resource, const char *text)
{
	struct rlimit rl;
	const char *end;

	errno = EINVAL;
	if (limit_value(text, &rl.rlim_cur, &end) != 0)
		return -1;
	rl.rlim_max = rl.rlim_cur;
	if (*end == ':' && limit_value(end + 1, &rl.rlim_max, &end) != 0)
		return -1;
	errno = EINVAL;
	if (*end != '\0')
		return -1;
	return setrlimit(resource, &rl);
}

static int
limit_number(const char *text, int base, long min, long max, long *v)
{
	char *end;

	*v = strtol(text, &end, base);
	if (end == text || *end != '\0' || *v < min || *v > max) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

/* --- cgroups --- */

static int
cgroup_write(const char *dir, const char *file, size_t len, const char *value)
{
	char *path;
	ssize_t n = -1;
	int fd, err;

	path = xasprintf("%s/%.*s", dir, (int)len, file);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	free(path);
	if (fd < 0)
		return -1;
	n = write(fd, value, strlen(value));
	err = errno;
	close(fd);
	errno = err;
	return n < 0 ? -1 : 0;
}

/* Values of controllers that the directory above does not yet pass on. */
static void
cgroup_enable(const char *dir, const char *file, size_t len)
{
	const char *dot = memchr(file, '.', len), *slash = strrchr(dir, '/');
	char *above, *word;

	if (dot == NULL || slash == NULL || slash == dir)
		return;
	above = xasprintf("%.*s", (int)(slash - dir), dir);
	word = xasprintf("+%.*s", (int)(dot - file), file);
	cgroup_write(above, "cgroup.subtree_control",
	    strlen("cgroup.subtree_control"), word);
	free(above);
	free(word);
}

static int
cgroup_set(const char *dir, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len;

	errno = EINVAL;
	if (dir == NULL || equals == NULL || equals == word ||
	    memchr(word, '/', (size_t)(equals - word)) != NULL)
		return -1;
	len = (size_t)(equals - word);
	cgroup_enable(dir, word, len);
	return cgroup_write(dir, word, len, equals + 1);
}

static const char *
cgroup_dir(const struct shim_spec *spec)
{
	size_t i, len = strlen("cgroup:");

	for (i = 0; i < spec->nlimits; i++) {
		if (strncmp(spec->limits[i], "cgroup:/", len + 1) == 0)
			return spec->limits[i] + len;
	}
	return NULL;
}

static int
cgroup_enter(const char *dir)
{
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return -1;
	return cgroup_write(dir, "cgroup.procs", strlen("cgroup.procs"), "0");
}

int64_t
shim_limits_end(const struct shim_spec *spec)
{
	const char *dir = cgroup_dir(spec);
	int64_t kills;

	if (dir == NULL)
		return 0;
	kills = cgroup_oom_kills(dir);
	cgroup_remove(dir);
	return kills;
}

/* --- one word --- */

static bool
word_is(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && strncmp(word, name, len) == 0;
}

static int
limit_apply(const struct shim_spec *spec, const char *word)
{
	const char *value = strchr(word, ':');
	size_t i, len;
	long n;

	errno = EINVAL;
	if (value == NULL)
		return -1;
	len = (size_t)(value++ - word);
	if (word_is(word, len, "nice"))
		return limit_number(value, 10, -20, 20, &n) != 0 ? -1 :
		    setpriority(PRIO_PROCESS, 0, (int)n);
	if (word_is(word, len, "umask")) {
		if (limit_number(value, 8, 0, 0777, &n) != 0)
			return -1;
		umask((mode_t)n);
		return 0;
	}
	if (word_is(word, len, "cgroup"))
		return value[0] == '/' ? cgroup_enter(value) : -1;
	if (word_is(word, len, "cgset"))
		return cgroup_set(cgroup_dir(spec), value);
	for (i = 0; i < ARRAY_LEN(resources); i++) {
		if (word_is(word, len, resources[i].name))
			return limit_set(resources[i].resource, value);
	}
	errno = EINVAL;
	return -1;
}

int
shim_limits_apply(const struct shim_spec *spec)
{
	size_t i;

	for (i = 0; i < spec->nlimits; i++) {
		if (limit_apply(spec, spec->limits[i]) != 0)
			return (int)i;
	}
	return -1;
}

void
shim_limits_usual(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur > 1024) {
		rl.rlim_cur = 1024;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}
