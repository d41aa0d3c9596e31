/*
 * core.h - compiler attributes, version and limits shared by every layer.
 *
 * Everybody may include this; it includes nothing of ours.
 */
#ifndef COLIBRI_CORE_H
#define COLIBRI_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLIBRI_VERSION		"0.1.0"
#define COLIBRI_PROTOCOL	1	/* docs/PROTOCOL.md */
#define COLIBRI_API		1	/* `api = N` in every script */

#define ATTR_PRINTF(fmt, args)	__attribute__((format(printf, fmt, args)))
#define ATTR_NORETURN		__attribute__((noreturn))
#define ATTR_NONNULL		__attribute__((nonnull))
#define ATTR_MUST_USE		__attribute__((warn_unused_result))

#define ARRAY_LEN(a)		(sizeof(a) / sizeof((a)[0]))

#endif
