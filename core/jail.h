/*
 * jail.h - what the kernel knows about jails.
 *
 * Launchers (lua/colibri/jail) decide how an agent enters a jail; here is only
 * what a script cannot ask by itself.
 */
#ifndef COLIBRI_JAIL_H
#define COLIBRI_JAIL_H

#include "core.h"
#include "err.h"

struct jail_info {
	int jid;
	char path[1024];	/* host-visible root (MAXPATHLEN) */
};

/* "freebsd" or "linux". */
const char *jail_platform(void);

/* A running jail by name: jail_get(2) on FreeBSD. Codes: JailNotFound;
 * JailUnsupported on systems without jails. */
int jail_lookup(const char *name, struct jail_info *info, struct err *e);

#endif
