/*
 * agent_priv.h - between agent.c (the link to a shim) and agent_spec.c (what
 * is said on it). Nobody else includes it.
 */
#ifndef COLIBRI_AGENT_PRIV_H
#define COLIBRI_AGENT_PRIV_H

#include "agent.h"
#include "secret.h"

#define AGENT_HEADER		5		/* type, length */
#define AGENT_RECORD_MAX	(1024 * 1024)	/* payload bytes */
#define AGENT_GRACE_TEXT	48

/* Code: BadPath. */
int agent_check_spec(const struct agent_spec *spec, struct err *e);

/* Append a record. */
void agent_add_record(struct secret_buf *b, char type, const void *payload,
    size_t len);

/* Append the record 'S'; exe is argv[0] with links resolved. Code:
 * SpawnFailed, when it is too long. */
int agent_add_spec(struct secret_buf *b, const struct agent_spec *spec,
    const char *exe, double grace, struct err *e);

/* The grace, or the other one when it is not a sensible time. */
double agent_grace(double grace, double otherwise);

/* Seconds as text of at most AGENT_GRACE_TEXT bytes. */
void agent_grace_text(double grace, char *text);

#endif
