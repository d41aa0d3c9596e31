/*
 * cppcheck.h - what cppcheck would find in the system's headers, which it does
 * not read; only for tests/check/lint_test.sh.
 */
#define __linux__		1
#define __has_include(header)	1
#define LIST_HEAD(name, type)	struct name { struct type *lh_first; }
#define TAILQ_HEAD(name, type)	struct name { struct type *tqh_first; }
#define LIST_FIRST(head)	((head)->lh_first)
#define TAILQ_FIRST(head)	((head)->tqh_first)
#define LIST_FOREACH(v, head, field)					\
	for ((v) = (head)->lh_first; (v) != 0; (v) = (v)->field.le_next)
#define TAILQ_FOREACH(v, head, field)					\
	for ((v) = (head)->tqh_first; (v) != 0; (v) = (v)->field.tqe_next)
