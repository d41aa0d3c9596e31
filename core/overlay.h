/*
 * overlay.h - which file answers to a script's name.
 *
 * A script is named by its relative path without ".lua": "commands/status",
 * "hooks/spawn_after/provision", "steps/verify", "jail/bwrap", "vault/file",
 * "policy/states", "providers/local". The site directory is searched first, then the shipped tree
 * (where the same names live below share_dir in lua/commands, hooks,
 * scripts/steps, lua/colibri/jail, lua/colibri/vault, lua/policy, lua/providers). Here names become bytes; what a
 * script may be is decided in lua/colibri/scripts.lua.
 */
#ifndef COLIBRI_OVERLAY_H
#define COLIBRI_OVERLAY_H

#include "core.h"
#include "conf.h"
#include "err.h"

enum overlay_layer { OVERLAY_SITE, OVERLAY_STOCK, OVERLAY_LAYERS };

struct overlay_entry {
	char *name;			/* "commands/status" */
	char *path[OVERLAY_LAYERS];	/* absolute; NULL: not in that layer */
};
struct overlay_list {
	struct overlay_entry *entries;	/* sorted by name */
	size_t n;
};

/* Every script of both layers. A site directory that does not exist is an
 * empty layer; one that is not trusted (fs_check_trusted, 022) is an error, as
 * is a file or directory in it that is not, or a name outside
 * [A-Za-z0-9_-]+ components. All errors are appended to errors; returns -1 if
 * there was any, with the list still holding what was found. */
int overlay_scan(const struct conf *conf, struct overlay_list *list,
    struct conf_errors *errors);
void overlay_list_free(struct overlay_list *list);

/* The text of one script file, read through one descriptor that was checked.
 * Codes: NotFound, NotTrusted, TooLarge (1 MiB). */
int overlay_read(const char *path, char **text, size_t *len, struct err *e);

#endif
