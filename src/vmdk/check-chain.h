/* SPDX-License-Identifier: Apache-2.0 */
/* The links of a chain with their files open, as far as that goes; what is wrong with the whole is
 * kept in sentences. For check.c. */
#ifndef VD_VMDK_CHECK_CHAIN_H
#define VD_VMDK_CHECK_CHAIN_H

#include "vmdk/chain-int.h"
#include "vmdk/check-int.h"

struct vd_check_problem {
    enum vd_finding_grade grade;
    const char *id;
    char *text; /* owned */
};

struct vd_checked_link {
    struct vd_link *link; /* the chain's; its extents have blocks only, none where missing */
    struct vd_check_problem *problems;
    size_t num_problems;
    bool shared_files; /* one file in two places: nothing is repaired then */
};

struct vd_checked_chain {
    struct vd_chain *chain;
    struct vd_link_context context;
    bool has_context;
    struct vd_checked_link *links;
    size_t num_links;
};

/* Fails where there is no disk to check, or the machine does not let us. What is a damaged disk,
 * but cannot be read at all, is told in `ret_damage`. `chain`, zeros at first, is to be given back
 * in any case. */
VD_MUST_CHECK int vd_checked_chain_load(const char *path, const struct vd_vmdk_options *options,
                                        struct vd_checked_chain *chain, struct vd_error *ret_damage,
                                        struct vd_error *err);
void vd_checked_chain_done(struct vd_checked_chain *chain);
void vd_check_tell_problems(struct vd_check_file *file, const struct vd_checked_link *checked);

#endif
