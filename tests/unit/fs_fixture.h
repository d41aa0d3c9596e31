/*
 * fs_fixture.h - one open root in a temporary tree, and each check run with
 * both walks.
 */
#ifndef COLIBRI_FS_FIXTURE_H
#define COLIBRI_FS_FIXTURE_H

#include "fs.h"
#include "fs_tree.h"

static const struct fs_write_spec spec600 = { .mode = 0600,
    .uid = (uid_t)-1, .gid = (gid_t)-1 };
static __attribute__((unused)) struct fs_root *root;	/* of base/t/root */

#define FAILS(call, want) do {						\
	struct err e = ERR_INIT;					\
	CHECK_INT((call), -1);						\
	CHECK_STR(e.code, want);					\
	CHECK(e.text[0] != '\0');					\
} while (0)

#define WORKS(call) do {						\
	struct err e = ERR_INIT;					\
	if ((call) != 0)						\
		CHECK_NOTE("%s: %s: %s", #call, e.code, e.text);	\
} while (0)

/* top/{base/t/root, base/other, outside, canary} */
TREE_FN void
set_up(void)
{
	tree_begin(false);
	tree_dir(tree("base"));
	tree_dir(tree("base/t"));
	tree_dir(tree("base/t/root"));
	tree_dir(tree("base/t/root/sub"));
	tree_dir(tree("base/other"));
	tree_dir(tree("outside"));
	tree_put(tree("outside/.env"), "canary", 0644);
	tree_put(tree("base/file"), "x", 0644);
	WORKS(fs_root_open(tree("base"), tree("base/t/root"), &root, &e));
}

TREE_FN void
tear_down(void)
{
	fs_root_close(root);
	root = NULL;
	CHECK_STR(tree_get(tree("outside/.env")), "canary");
	CHECK_INT(tree_count(tree("outside"), ""), 1);
	tree_end();
}

#define BOTH_WALKS(name)						\
TEST(name##_best) {							\
	fs_set_walk(FS_WALK_BEST);					\
	set_up(); check_##name(); tear_down();				\
}									\
TEST(name##_portable) {							\
	fs_set_walk(FS_WALK_PORTABLE);					\
	set_up(); check_##name(); tear_down();				\
}
#define RUN_BOTH(name)	RUN(name##_best); RUN(name##_portable)


#endif
