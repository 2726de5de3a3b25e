/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>

#include "build-chain.h"

/* A random link: one to three extents of random kinds over a random model. */
static void link_random(struct chain *chain, uint64_t capacity, uint64_t *random)
{
    struct chain_link *link = chain_link_add(chain, capacity);
    unsigned extents = 1 + (unsigned)build_random_below(random, 3);
    for (unsigned i = 0; i < extents; i++) {
        uint64_t start = link->link.capacity_sectors;
        uint64_t left = capacity - start;
        uint64_t sectors = i + 1 == extents ? left : 1 + build_random_below(random, left);
        if (sectors == left)
            extents = i + 1;
        unsigned kind = (unsigned)build_random_below(random, 9);
        uint64_t grain = kind < 6 ? UINT64_C(1) << build_random_below(random, 6) : 8;
        chain_model_random(link, start, sectors, grain, random);
        switch (kind) {
        case 0:
            build_random_sectors(random, link->bytes + start * 512, sectors);
            chain_flat(chain, link, sectors, build_random_below(random, 5));
            break;
        case 1:
            chain_zero(chain, link, sectors);
            break;
        case 2:
        case 3:
            chain_cowd(chain, link, sectors, (uint32_t)grain);
            break;
        case 4:
        case 5:
            chain_records(chain, link, sectors, grain);
            break;
        default:
            chain_sesparse(chain, link, sectors, 1);
            break;
        }
    }
    check_u64_eq(link->link.capacity_sectors, capacity);
}

static void chain_random(struct chain *chain, uint64_t *random)
{
    uint64_t capacity = 1 + build_random_below(random, 6000);
    unsigned links = 1 + (unsigned)build_random_below(random, 6);
    chain_init(chain);
    for (unsigned i = 0; i < links; i++) {
        link_random(chain, capacity, random);
        unsigned change = (unsigned)build_random_below(random, 4);
        if (change == 0) /* a parent of another size */
            capacity = 1 + build_random_below(random, 6000);
    }
    chain_open(chain);
}

static uint64_t leaf_capacity(const struct chain *chain)
{
    return chain->links[0].capacity_sectors;
}

static void range_random(const struct chain *chain, uint64_t *random, uint64_t *ret_start,
                         uint64_t *ret_count)
{
    uint64_t capacity = leaf_capacity(chain);
    uint64_t longest = build_random_below(random, 2) ? capacity : 40;
    *ret_start = build_random_below(random, capacity);
    uint64_t count = 1 + build_random_below(random, longest);
    *ret_count = VD_MIN(count, capacity - *ret_start);
}

/* A DATA run that is not compressed must have the model's bytes where it says. */
static void run_bytes_check(const struct chain *chain, const struct vd_run *run)
{
    const struct vd_link_extent *extent = &chain->links[run->link].extents[run->extent];
    size_t length = (size_t)run->length_sectors * 512;
    uint8_t *bytes VD_FREE = malloc(length);
    check(bytes != NULL);
    check_str_eq(run->file, extent->path);
    check_code(vd_block_read(extent->block, run->offset_bytes, bytes, length, NULL), VD_OK);
    chain_compare(chain, run->start_sectors, run->length_sectors, bytes);
}

static void run_check(const struct chain *chain, const struct vd_run *run)
{
    static const enum vd_run_kind kinds[] = {
        [VD_LOOKUP_ABSENT] = VD_RUN_ABSENT,
        [VD_LOOKUP_ZERO] = VD_RUN_ZERO,
        [VD_LOOKUP_DATA] = VD_RUN_DATA,
    };
    for (uint64_t i = 0; i < run->length_sectors; i++) {
        uint64_t sector = run->start_sectors + i;
        const struct chain_link *holder = chain_holder(chain, sector);
        check_int_eq(run->kind, holder ? kinds[holder->kinds[sector]] : VD_RUN_ABSENT);
        if (holder)
            check_u64_eq(run->link, (uint64_t)(holder - chain->links));
    }
    if (run->kind != VD_RUN_DATA)
        check(run->file == NULL && run->offset_bytes == 0 && !run->compressed);
    else if (!run->compressed)
        run_bytes_check(chain, run);
}

/* Maps [start, start + count) in pieces of at most `max_runs` runs and checks that they tile it. */
static void map_check(const struct chain *chain, uint64_t start, uint64_t count, size_t max_runs)
{
    struct vd_run runs[16];
    uint64_t end = start + count;
    check(max_runs <= VD_ARRAY_SIZE(runs));
    while (start < end) {
        size_t got = 0;
        struct vd_error err = VD_ERROR_INIT;
        check_code_err(vd_mover_map(chain->mover, start, end - start, runs, max_runs, &got, &err),
                       VD_OK, &err);
        check(got >= 1 && got <= max_runs);
        for (size_t i = 0; i < got; i++) {
            check_u64_eq(runs[i].start_sectors, start);
            check(runs[i].length_sectors >= 1 && runs[i].length_sectors <= end - start);
            run_check(chain, &runs[i]);
            start += runs[i].length_sectors;
        }
    }
}

VD_TEST(random_chains_read_and_map_as_the_model)
{
    uint64_t random = build_random_seed(20240611);
    for (unsigned i = 0; i < 40; i++) {
        struct chain chain;
        chain_random(&chain, &random);
        chain_read_check(&chain, 0, leaf_capacity(&chain));
        map_check(&chain, 0, leaf_capacity(&chain), 16);
        for (unsigned j = 0; j < 20; j++) {
            uint64_t start = 0, count = 0;
            range_random(&chain, &random, &start, &count);
            chain_read_check(&chain, start, count);
            map_check(&chain, start, count, 1 + (size_t)build_random_below(&random, 16));
        }
        chain_done(&chain);
    }
}

struct reader {
    pthread_t thread;
    const struct chain *chain;
    uint64_t random;
};

static void *reader_run(void *data)
{
    struct reader *reader = data;
    for (unsigned i = 0; i < 60; i++) {
        uint64_t start = 0, count = 0;
        range_random(reader->chain, &reader->random, &start, &count);
        chain_read_check(reader->chain, start, count);
        if (i % 4 == 0)
            map_check(reader->chain, start, count, 8);
    }
    return NULL;
}

VD_TEST(many_threads_at_once)
{
    uint64_t random = build_random_seed(77);
    for (unsigned round = 0; round < 4; round++) {
        struct chain chain;
        struct reader readers[8];
        chain_random(&chain, &random);
        for (size_t i = 0; i < VD_ARRAY_SIZE(readers); i++) {
            readers[i] = (struct reader){.chain = &chain, .random = build_random(&random) | 1};
            check_int_eq(pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]), 0);
        }
        for (size_t i = 0; i < VD_ARRAY_SIZE(readers); i++)
            check_int_eq(pthread_join(readers[i].thread, NULL), 0);
        chain_done(&chain);
    }
}

/* Every single read that can fail fails once: the error is told, and asking again works. */
VD_TEST(every_failing_read_is_told_and_passes)
{
    uint64_t random = build_random_seed(5);
    struct chain chain;
    bool fired = true;
    uint64_t nth = 0;
    for (nth = 1; fired && nth < 10000; nth++) {
        uint64_t same = random; /* the same chain each time, with nothing cached */
        struct vd_error err = VD_ERROR_INIT;
        chain_random(&chain, &same);
        uint64_t capacity = leaf_capacity(&chain);
        uint8_t *buffer = malloc((size_t)capacity * 512);
        check(buffer != NULL);
        vd_fs_fault_arm(chain.fault, VD_FAULT_READ, nth, 5 /* EIO */, false);
        int r = vd_mover_read(chain.mover, 0, capacity, buffer, &err);
        fired = vd_fs_fault_fired(chain.fault);
        vd_fs_fault_arm(chain.fault, VD_FAULT_READ, 0, 0, false);
        if (fired && r < 0) {
            check_code(r, VD_E_IO);
            check_str_has(err.text, "reading sector ");
            check_str_has(err.text, "of 'link0.vmdk'");
        }
        check_code_err(vd_mover_read(chain.mover, 0, capacity, buffer, NULL), VD_OK, &err);
        chain_compare(&chain, 0, capacity, buffer);
        free(buffer);
        chain_done(&chain);
    }
    check(nth > 2 && nth < 10000);
}

/* A leaf of one COWD extent that holds nothing but sector 5. */
static void leaf_with_sector_5(struct chain *chain, uint64_t capacity)
{
    static const uint8_t bytes[512] = {1, 2, 3};
    struct chain_link *leaf = chain_link_add(chain, capacity);
    chain_model_put(leaf, 5, 1, VD_LOOKUP_DATA, bytes);
    chain_cowd(chain, leaf, capacity, 1);
}

VD_TEST(a_missing_parent_is_named_when_it_is_needed)
{
    struct chain chain;
    struct vd_error err = VD_ERROR_INIT;
    char hint[] = "base.vmdk";
    uint8_t buffer[10 * 512];
    chain_init(&chain);
    leaf_with_sector_5(&chain, 100);
    chain.links[0].descriptor.parent_hint = hint;
    chain.missing_parent = true;
    chain_open(&chain);
    chain_read_check(&chain, 5, 1);
    check_code(vd_mover_read(chain.mover, 4, 2, buffer, &err), VD_E_PARTIAL_CHAIN);
    check_str_has(err.text, "reading sector 4 of 'link0.vmdk'");
    check_str_has(err.text, "'base.vmdk'");
    vd_error_clear(&err);
    check_code(vd_mover_read(chain.mover, 5, 3, buffer, &err), VD_E_PARTIAL_CHAIN);
    check_str_has(err.text, "reading sector 6 of");
    map_check(&chain, 0, 100, 4); /* a map tells what is known: absent */
    chain_done(&chain);
}

VD_TEST(a_parent_without_a_name_is_missing_too)
{
    struct chain chain;
    uint8_t buffer[512];
    chain_init(&chain);
    leaf_with_sector_5(&chain, 100);
    chain.missing_parent = true;
    chain_open(&chain);
    check_code(vd_mover_read(chain.mover, 4, 1, buffer, NULL), VD_E_PARTIAL_CHAIN);
    chain_done(&chain);
}

/* Past the end of a smaller parent there are zeros, whatever its own parents hold. */
VD_TEST(a_smaller_parent_ends_in_zeros)
{
    struct chain chain;
    uint64_t random = 9;
    struct vd_run run;
    size_t got = 0;
    chain_init(&chain);
    leaf_with_sector_5(&chain, 100);
    struct chain_link *middle = chain_link_add(&chain, 50);
    chain_cowd(&chain, middle, 50, 8);
    struct chain_link *base = chain_link_add(&chain, 100);
    build_random_sectors(&random, base->bytes, 100);
    chain_flat(&chain, base, 100, 0);
    chain.missing_parent = true;
    chain_open(&chain);
    chain_read_check(&chain, 0, 100);
    check_code(vd_mover_map(chain.mover, 40, 60, &run, 1, &got, NULL), VD_OK);
    check_int_eq(run.kind, VD_RUN_DATA);
    check_u64_eq(run.length_sectors, 10);
    check_u64_eq(run.link, 2);
    check_code(vd_mover_map(chain.mover, 50, 50, &run, 1, &got, NULL), VD_OK);
    check_int_eq(run.kind, VD_RUN_ABSENT);
    check_u64_eq(run.length_sectors, 50);
    chain_done(&chain);
}

VD_TEST(a_smaller_leaf_hides_the_rest_of_its_parent)
{
    struct chain chain;
    uint64_t random = 9;
    chain_init(&chain);
    leaf_with_sector_5(&chain, 10);
    struct chain_link *base = chain_link_add(&chain, 100);
    build_random_sectors(&random, base->bytes, 100);
    chain_flat(&chain, base, 100, 3);
    chain_open(&chain);
    chain_read_check(&chain, 0, 10);
    map_check(&chain, 0, 10, 3);
    chain_done(&chain);
}

VD_TEST(nothing_to_read_is_fine)
{
    struct chain chain;
    uint8_t buffer[1];
    chain_init(&chain);
    leaf_with_sector_5(&chain, 10);
    chain_open(&chain);
    check_code(vd_mover_read(chain.mover, 10, 0, buffer, NULL), VD_OK);
    check_code(vd_mover_read(chain.mover, 0, 0, buffer, NULL), VD_OK);
    chain_done(&chain);
}

/* Reads of the file for one request, with the tables already cached. */
static uint64_t reads_counted(const struct chain *chain, uint64_t start, uint64_t count)
{
    chain_read_check(chain, start, count);
    vd_fs_fault_arm(chain->fault, VD_FAULT_READ, UINT64_MAX, 5, false);
    chain_read_check(chain, start, count);
    return vd_fs_fault_calls(chain->fault);
}

VD_TEST(what_continues_in_the_file_is_one_read)
{
    struct chain chain;
    uint64_t random = 3;
    chain_init(&chain);
    struct chain_link *leaf = chain_link_add(&chain, 4096);
    build_random_sectors(&random, leaf->bytes, 4096);
    memset(leaf->kinds, VD_LOOKUP_DATA, 4096);
    chain_cowd(&chain, leaf, 4096, 1);
    chain_open(&chain);
    check_u64_eq(reads_counted(&chain, 0, 4096), 1);
    check_u64_eq(reads_counted(&chain, 1, 7), 1);
    chain_done(&chain);
}

/* The whole runs of both extents of one file are one read too (a partitioned device's shape). */
VD_TEST(extents_that_continue_in_one_file_are_one_read)
{
    struct chain chain;
    uint64_t random = 3;
    chain_init(&chain);
    struct chain_link *leaf = chain_link_add(&chain, 64);
    build_random_sectors(&random, leaf->bytes, 64);
    memset(leaf->kinds, VD_LOOKUP_DATA, 64);
    struct build_image image = {0};
    build_image_put(&image, 0, leaf->bytes, 64 * 512);
    struct vd_block *block = chain_file(&chain, leaf, &image);
    build_image_done(&image);
    for (unsigned i = 0; i < 2; i++) {
        struct vd_extent_line line = {.sectors = 32, .offset_sectors = i * 32};
        struct vd_extent_params params = {.block = block, .cache = chain.cache, .line = &line};
        struct vd_extent *extent = NULL;
        check_code(vd_extent_flat_open(&params, &extent, NULL), VD_OK);
        chain_extent_put(leaf, extent, block);
    }
    leaf->extents[1].block = NULL; /* owned once */
    chain_open(&chain);
    check_u64_eq(reads_counted(&chain, 0, 64), 1);
    chain_done(&chain);
}

/* A flat file that ends inside a sector, opened to be filled with zeros. */
VD_TEST(the_missing_tail_of_a_flat_file_is_zeros)
{
    struct chain chain;
    uint64_t random = 3;
    chain_init(&chain);
    struct chain_link *leaf = chain_link_add(&chain, 64);
    struct build_image image = {0};
    struct vd_extent_line line = {.sectors = 64};
    build_random_sectors(&random, leaf->bytes, 20);
    memset(leaf->bytes + 19 * 512 + 100, 0, 412);
    memset(leaf->kinds, VD_LOOKUP_ZERO, 64);
    memset(leaf->kinds, VD_LOOKUP_DATA, 20);
    build_image_put(&image, 0, leaf->bytes, 19 * 512 + 100);
    chain_extent_open(&chain, leaf, vd_extent_flat_open, &image, &line);
    build_image_done(&image);
    chain_open(&chain);
    chain_read_check(&chain, 0, 64);
    chain_read_check(&chain, 19, 1);
    chain_read_check(&chain, 19, 2);
    chain_read_check(&chain, 25, 2);
    chain_done(&chain);
}

VD_TEST(a_bad_table_is_told_with_sector_and_place)
{
    struct chain chain;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_extent_line line = {.sectors = 10000};
    struct build_cowd cowd;
    struct vd_run runs[4];
    size_t got = 0;
    static uint8_t buffer[10000 * 512];
    chain_init(&chain);
    leaf_with_sector_5(&chain, 10000);
    struct chain_link *base = chain_link_add(&chain, 10000);
    build_cowd_init(&cowd, 10000, 1);
    build_image_u32(&cowd.image, build_cowd_gde(1), 12345678);
    chain_extent_open(&chain, base, vd_extent_cowd_open, &cowd.image, &line);
    build_cowd_done(&cowd);
    chain_open(&chain);
    check_code(vd_mover_read(chain.mover, 0, 10000, buffer, &err), VD_E_GDE);
    check_str_has(err.text, "reading sector 4096 of 'link0.vmdk': 'link1.vmdk-0': grain directory");
    /* a map tells the good part first, then fails at the place */
    check_code(vd_mover_map(chain.mover, 0, 10000, runs, 4, &got, NULL), VD_OK);
    check_u64_eq(runs[got - 1].start_sectors + runs[got - 1].length_sectors, 4096);
    vd_error_clear(&err);
    check_code(vd_mover_map(chain.mover, 4096, 1, runs, 4, &got, &err), VD_E_GDE);
    check_str_has(err.text, "mapping sector 4096 of 'link0.vmdk'");
    chain_done(&chain);
}

VD_TEST(a_compressed_run_tells_its_record)
{
    struct chain chain;
    uint64_t random = 3;
    struct vd_run runs[4];
    size_t got = 0;
    chain_init(&chain);
    struct chain_link *leaf = chain_link_add(&chain, 256);
    build_random_sectors(&random, leaf->bytes, 256);
    memset(leaf->kinds, VD_LOOKUP_DATA, 256);
    chain_records(&chain, leaf, 256, 128);
    chain_open(&chain);
    check_code(vd_mover_map(chain.mover, 10, 200, runs, 4, &got, NULL), VD_OK);
    check_u64_eq(got, 2);
    check(runs[0].compressed && runs[1].compressed);
    check_u64_eq(runs[0].offset_bytes, 512);
    check_u64_eq(runs[0].length_sectors, 118);
    check(runs[1].offset_bytes > 512 + 65536);
    chain_done(&chain);
}

/* Holes of the host's file are zeros of that link: they hide what the parents hold. */
VD_TEST(holes_of_a_flat_file_are_zero_runs)
{
    const uint64_t mib = 2048;
    struct chain chain;
    struct vd_run runs[4];
    size_t got = 0;
    struct vd_extent_line line = {.sectors = 3 * mib};
    struct vd_extent_params params = {.line = &line};
    struct vd_extent *extent = NULL;
    uint64_t start = 0, end = 0;
    uint8_t sector[512] = {1};
    const char *path = test_path("holes");

    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    check(fd >= 0);
    check_int_eq(ftruncate(fd, (off_t)(3 * mib * 512)), 0);
    check_int_eq(pwrite(fd, sector, 512, (off_t)(mib * 512)), 512);
    check_int_eq(close(fd), 0);
    check_code(vd_fs_open(vd_fs_host(), path, 0, &params.block, NULL), VD_OK);
    check_code(vd_block_next_data(params.block, 0, &start, &end, NULL), VD_OK);
    if (start != mib * 512 || end > (mib + 1) * 512 * 8) {
        vd_block_free(params.block);
        test_skip("the file system of '%s' tells no holes", path);
    }

    chain_init(&chain);
    struct chain_link *leaf = chain_link_add(&chain, 3 * mib);
    check_code(vd_extent_flat_open(&params, &extent, NULL), VD_OK);
    chain_extent_put(leaf, extent, params.block);
    chain_open(&chain);
    check_code(vd_mover_map(chain.mover, 0, 3 * mib, runs, 4, &got, NULL), VD_OK);
    check_u64_eq(got, 3);
    check_int_eq(runs[0].kind, VD_RUN_ZERO);
    check_u64_eq(runs[0].length_sectors, mib);
    check_int_eq(runs[1].kind, VD_RUN_DATA);
    check_u64_eq(runs[1].offset_bytes, mib * 512);
    check_u64_eq(runs[1].length_sectors, vd_bytes_to_sectors_up(end - start));
    check_int_eq(runs[2].kind, VD_RUN_ZERO);
    check_u64_eq(runs[2].start_sectors + runs[2].length_sectors, 3 * mib);
    chain_done(&chain);
}
