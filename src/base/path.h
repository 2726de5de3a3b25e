/* SPDX-License-Identifier: Apache-2.0 */
/* Path text only; nothing here touches a file system. Results are malloc'd; NULL = out of memory.
 */
#ifndef VD_BASE_PATH_H
#define VD_BASE_PATH_H

#include <stdbool.h>

#include "base/cleanup.h"

/* "a/b.vmdk" -> "a"; "b.vmdk" -> "."; "/b" -> "/". */
VD_MUST_CHECK char *vd_path_folder(const char *path);
/* Points into `path`: "a/b.vmdk" -> "b.vmdk". */
const char *vd_path_name(const char *path);
/* `name` itself when absolute, else folder/name ("." folder leaves the name alone). */
VD_MUST_CHECK char *vd_path_join(const char *folder, const char *name);
/* Copy with every backslash turned into a slash. */
VD_MUST_CHECK char *vd_path_from_windows(const char *path);
/* Removes "." and "x/.." by text; "../.." at the front of a relative path stays. */
VD_MUST_CHECK char *vd_path_normalise(const char *path);
/* True when `path`, joined to a folder, can leave it: absolute, or ".." reaches above the start.
 * Text only: slashes, so turn backslashes before, and no symbolic links. */
bool vd_path_leaves_folder(const char *path);
/* Does the path end with `suffix` (".vmdk"), ASCII case aside? */
bool vd_path_has_suffix(const char *path, const char *suffix);
/* Equal, ASCII case aside, in every locale. */
bool vd_path_equal_but_case(const char *a, const char *b);

#endif
