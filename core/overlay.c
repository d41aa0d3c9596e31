/*
 * overlay.c - which file answers to a script's name; see overlay.h.
 *
 * Only names are decided here; texts are read one by one with overlay_read(),
 * through a descriptor that was checked.
 */
#include <sys/stat.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "mem.h"
#include "overlay.h"

#define SCRIPT_MAX	(1024 * 1024)
#define DEPTH_MAX	2	/* hooks/<event>/<name> */

/* Where the shipped tree keeps what a site finds under one roof. */
static const struct {
	const char *kind;
	const char *stock_dir;
} kinds[] = {
	{ "commands", "lua/commands" },
	{ "hooks", "hooks" },
	{ "jail", "lua/colibri/jail" },
	{ "policy", "lua/policy" },
	{ "providers", "lua/providers" },
	{ "steps", "scripts/steps" },
	{ "vault", "lua/colibri/vault" },
};

struct scan {
	enum overlay_layer layer;
	struct overlay_list *list;
	struct conf_errors *errors;
	bool failed;
};

static void
scan_error(struct scan *s, char *text)
{
	s->errors->texts = xreallocarray(s->errors->texts, s->errors->n + 1,
	    sizeof(*s->errors->texts));
	s->errors->texts[s->errors->n++] = text;
	s->failed = true;
}

static bool
scan_name_ok(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (!isalnum((unsigned char)name[i]) && name[i] != '_' &&
		    name[i] != '-')
			return false;
	}
	return len > 0 && len <= 64 && name[0] != '-';
}

/* Record that `layer` has the script `name` at `path` (both taken). */
static void
scan_add(struct scan *s, char *name, char *path)
{
	struct overlay_list *list = s->list;
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (strcmp(list->entries[i].name, name) == 0) {
			list->entries[i].path[s->layer] = path;
			free(name);
			return;
		}
	}
	list->entries = xreallocarray(list->entries, list->n + 1,
	    sizeof(*list->entries));
	list->entries[list->n] = (struct overlay_entry){ .name = name };
	list->entries[list->n++].path[s->layer] = path;
}

static void scan_dir(struct scan *s, const char *dir, const char *prefix,
    int depth);

static void
scan_entry(struct scan *s, const char *dir, const char *prefix,
    const char *file, int depth)
{
	char *path = xasprintf("%s/%s", dir, file), *name;
	size_t len = strlen(file);
	struct stat st;

	/* lstat: a symlink in the site directory is not followed. */
	if (lstat(path, &st) != 0) {
		scan_error(s, xasprintf("%s: %s", path, strerror(errno)));
	} else if (S_ISDIR(st.st_mode) && scan_name_ok(file, len)) {
		name = xasprintf("%s/%s", prefix, file);
		if (depth < DEPTH_MAX)
			scan_dir(s, path, name, depth + 1);
		else
			scan_error(s, xasprintf("%s: nested too deeply", path));
		free(name);
	} else if (len > 4 && strcmp(file + len - 4, ".lua") == 0) {
		if (!S_ISREG(st.st_mode)) {
			scan_error(s, xasprintf("%s: not a regular file",
			    path));
		} else if (!scan_name_ok(file, len - 4)) {
			scan_error(s, xasprintf("%s: script names are made of "
			    "letters, digits, - and _", path));
		} else {
			scan_add(s, xasprintf("%s/%.*s", prefix, (int)len - 4,
			    file), path);
			return;
		}
	}
	free(path);
}

static void
scan_dir(struct scan *s, const char *dir, const char *prefix, int depth)
{
	struct err e = ERR_INIT;
	struct dirent *de;
	DIR *d;
	int fd;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		if (errno != ENOENT)
			scan_error(s, xasprintf("%s: %s", dir,
			    strerror(errno)));
		return;
	}
	if (s->layer == OVERLAY_SITE &&
	    fs_check_trusted(fd, 022, dir, &e) != 0) {
		scan_error(s, xstrdup(e.text));
		close(fd);
		return;
	}
	d = fdopendir(fd);
	if (d == NULL) {
		scan_error(s, xasprintf("%s: %s", dir, strerror(errno)));
		close(fd);
		return;
	}
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] != '.')
			scan_entry(s, dir, prefix, de->d_name, depth);
	}
	closedir(d);
}

/* The site directory itself; a missing one is an empty layer. */
static void
scan_site(struct scan *s, const char *site)
{
	struct err e = ERR_INIT;
	int fd = open(site, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		if (errno != ENOENT)
			scan_error(s, xasprintf("site directory %s: %s", site,
			    strerror(errno)));
		return;
	}
	if (fs_check_trusted(fd, 022, site, &e) != 0) {
		scan_error(s, xstrdup(e.text));
		close(fd);
		return;
	}
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char *dir = xasprintf("%s/%s", site, kinds[i].kind);

		scan_dir(s, dir, kinds[i].kind, 1);
		free(dir);
	}
}

static int
entry_compare(const void *a, const void *b)
{
	return strcmp(((const struct overlay_entry *)a)->name,
	    ((const struct overlay_entry *)b)->name);
}

int
overlay_scan(const struct conf *conf, struct overlay_list *list,
    struct conf_errors *errors)
{
	struct scan s = { .list = list, .errors = errors };
	size_t i;

	*list = (struct overlay_list){ 0 };
	s.layer = OVERLAY_STOCK;
	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		char *dir = xasprintf("%s/%s", conf->share_dir,
		    kinds[i].stock_dir);

		scan_dir(&s, dir, kinds[i].kind, 1);
		free(dir);
	}
	if (conf->site_dir != NULL) {
		s.layer = OVERLAY_SITE;
		scan_site(&s, conf->site_dir);
	}
	if (list->n > 0)
		qsort(list->entries, list->n, sizeof(*list->entries),
		    entry_compare);
	return s.failed ? -1 : 0;
}

void
overlay_list_free(struct overlay_list *list)
{
	size_t i;
	int layer;

	for (i = 0; i < list->n; i++) {
		free(list->entries[i].name);
		for (layer = 0; layer < OVERLAY_LAYERS; layer++)
			free(list->entries[i].path[layer]);
	}
	free(list->entries);
	*list = (struct overlay_list){ 0 };
}

int
overlay_read(const char *path, char **text, size_t *len, struct err *e)
{
	return fs_read_trusted(path, 022, SCRIPT_MAX, text, len, e);
}
