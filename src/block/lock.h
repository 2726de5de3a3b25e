/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One writer: who opens a file of the host for writing holds a lock on all of it, and who only
 * reads takes none and asks for none, so that reading works on media that cannot be written.
 *
 * The lock is of the open file (an OFD lock): a second open in the same process is refused as any
 * other, and it lasts until the block is closed. It keeps out qemu too, which marks what it has
 * open, to read or to write, with locks of the same kind.
 *
 * It belongs to the file, not to its name: a file put in its place (vd_fs_replace_file) is not
 * locked. A disk is therefore guarded by its extents, or by a descriptor file that also holds data.
 *
 * A file system without locks is no reason to refuse work: the block then lacks VD_BLOCK_LOCKED,
 * and it is for those above, who have a log, to say so.
 *
 * VMware's hosted products lock NAME with a folder NAME.lck that holds a file M<number>.lck for
 * everyone who has it open (Workstation Pro 16 manual, "Using Lock Files"), while entering also
 * files of other letters. Any name ending in ".lck" in such a folder is honoured by writers, an
 * empty folder is not a lock. Nobody here judges whether a lock was left behind by a crash: the
 * sentence names the folder, and who knows better removes it.
 */
#ifndef VD_BLOCK_LOCK_H
#define VD_BLOCK_LOCK_H

#include <stdbool.h>

#include "base/error.h"

/* For implementations of struct vd_fs: errors tell the reason alone. */

/* Locks all of the open file for writing until it is closed. *ret_held is false where the file
 * system has no locks. VD_E_LOCKED, telling the process where the system tells it. */
VD_MUST_CHECK int vd_lock_take(int fd, bool *ret_held, struct vd_error *err);
/* VD_E_LOCKED when another product has `path` locked, under this name or, where it is a link, under
 * the one it leads to; the file need not exist. VD_E_ACCESS when its folder cannot be looked into.
 */
VD_MUST_CHECK int vd_lock_check_foreign(const char *path, struct vd_error *err);

/* The same sentence for every file system: `entry` in `folder` is a lock. */
int vd_lock_foreign_error(const char *folder, const char *entry, struct vd_error *err);
bool vd_lock_is_foreign(const char *entry);
/* The folder that would hold the locks of `path`, malloc'd; NULL when out of memory. */
VD_MUST_CHECK char *vd_lock_folder(const char *path);

#endif
