/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-versions.c - headers of versions 1 to 3, zeroed grains,
 * change tracking, and what else the text announces. */
#include "tests/unit/vmdk-test.h"

#include <string.h>

#define GRAIN (64 * KIB)
#define AT_VERSION 4
#define AT_FLAGS 8
/* Of a disk of 10 MiB with an embedded text: the two copies of its table. */
#define RGT_BYTE (22 * 512)
#define GT_BYTE (27 * 512)

static void
make_disk(TestCo *t, const char *parent)
{
    VdNode *node;

    vmdk_test_create_child(t, "d.vmdk", 10 * MIB, "", parent);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, GRAIN, 1);
    test_co_close(node);
}

static void
make_base(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", 10 * MIB, "");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 4 * GRAIN, 2);
    test_co_close(node);
}

/* -- versions, zeroed grains
 * ---------------------------------------------------------- */

static void
test_every_version_is_read_and_written(TestCo *t)
{
    for (uint32_t version = 1; version <= 3; version++) {
        VdNode *node;

        make_disk(t, NULL);
        vmdk_test_poke32(t, "d.vmdk", AT_VERSION, version);
        node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
        test_co_assert_pattern(node, 0, GRAIN, 1);
        test_co_write_pattern(node, 5 * GRAIN, GRAIN, 3);
        vmdk_test_assert_sound(node, false);
        test_co_close(node);
        /* No change tracking is announced: the number stays. */
        g_assert_cmpuint(vmdk_test_peek32(t, "d.vmdk", AT_VERSION), ==,
                         version);
        node = vmdk_test_open(t, "d.vmdk", 0);
        test_co_assert_pattern(node, 5 * GRAIN, GRAIN, 3);
        test_co_close(node);
    }
}

/* Entry 1 hides the parent where the header says that it means zeroes: by its
 * flag, or by version 2. */
static void
test_zeroed_grains_hide_the_parent(TestCo *t)
{
    static const uint32_t cases[][2] = {{1, 7}, {2, 7}, {3, 7}, {2, 3}};

    make_base(t);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        VdNode *node;

        make_disk(t, "base.vmdk");
        vmdk_test_poke32(t, "d.vmdk", AT_VERSION, cases[i][0]);
        vmdk_test_poke32(t, "d.vmdk", AT_FLAGS, cases[i][1]);
        vmdk_test_poke32(t, "d.vmdk", GT_BYTE + 4, 1);
        vmdk_test_poke32(t, "d.vmdk", RGT_BYTE + 4, 1);
        node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
        test_co_assert_pattern(node, 0, GRAIN, 1);
        test_co_assert_zero(node, GRAIN, GRAIN);
        test_co_assert_pattern(node, 2 * GRAIN, 2 * GRAIN, 2);
        vmdk_test_assert_sound(node, false);
        /* Written in part, such a grain keeps its zeroes. */
        test_co_write_pattern(node, GRAIN + 512, 512, 3);
        test_co_assert_zero(node, GRAIN, 512);
        test_co_assert_pattern(node, GRAIN + 512, 512, 3);
        test_co_assert_zero(node, GRAIN + 1024, GRAIN - 1024);
        test_co_close(node);
    }
}

static void
test_entry_one_is_no_place_otherwise(TestCo *t)
{
    static const uint32_t versions[] = {1, 3};

    for (unsigned i = 0; i < G_N_ELEMENTS(versions); i++) {
        g_autoptr(GError) error = NULL;
        char buf[512];
        VdNode *node;

        make_disk(t, NULL);
        vmdk_test_poke32(t, "d.vmdk", AT_VERSION, versions[i]);
        vmdk_test_poke32(t, "d.vmdk", GT_BYTE + 4, 1);
        vmdk_test_poke32(t, "d.vmdk", RGT_BYTE + 4, 1);
        node = vmdk_test_open(t, "d.vmdk", 0);
        g_assert_false(vd_node_co_pread(node, GRAIN, buf, sizeof(buf), &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        test_co_close(node);
    }
}

/* -- change tracking
 * ------------------------------------------------------------------ */

typedef struct {
    const char *options; /* of creating */
    const char *header;  /* file with a KDMV header; NULL = there is none */
    uint32_t flags, after;
} Tracked;

static const Tracked tracked[] = {
    {"", "d.vmdk", 3, 1},
    {"zeroed_grain=on", "d.vmdk", 7, 2},
    {"subformat=twoGbMaxExtentSparse,split_size=4M", "d-s001.vmdk", 3, 1},
    {"subformat=monolithicFlat", NULL, 0, 0},
    {"subformat=vmfs", NULL, 0, 0},
    {"subformat=vmfsSparse", NULL, 0, 0},
};

/* Put the line in the place of one that is not missed; it is as long. */
static void
announce(TestCo *t, const Tracked *kind)
{
    vmdk_test_create(t, "d.vmdk", 10 * MIB, kind->options);
    vmdk_test_replace(t, "d.vmdk", "isNativeSnapshot=\"no\"",
                      "changeTrackPath=\"d-c\"");
    vmdk_test_replace(t, "d.vmdk", "version=1", "version=3");
    if (!kind->header)
        return;
    vmdk_test_poke32(t, kind->header, AT_VERSION, 3);
    g_assert_cmpuint(vmdk_test_peek32(t, kind->header, AT_FLAGS), ==,
                     kind->flags);
}

static void
test_tracking_ends_with_the_first_write(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(tracked); i++) {
        const Tracked *kind = &tracked[i];
        VdNode *node;

        announce(t, kind);
        vmdk_test_write_file(t, "d-c", "tracked", 7);
        g_ptr_array_set_size(t->warnings, 0);
        /* Reading changes nothing. */
        node = vmdk_test_open(t, "d.vmdk", 0);
        test_co_assert_zero(node, 0, MIB);
        test_co_close(node);
        node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
        g_assert_nonnull(vmdk_descriptor_get(vmdk_test_state(node)->desc,
                                             "changeTrackPath"));
        g_assert_cmpuint(t->warnings->len, ==, 0);
        test_co_write_pattern(node, 0, 512, 1);
        test_co_write_pattern(node, 5 * MIB, 512, 1);
        test_co_close(node);
        g_assert_cmpuint(t->warnings->len, ==, 1);
        node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
        g_assert_null(vmdk_descriptor_get(vmdk_test_state(node)->desc,
                                          "changeTrackPath"));
        g_assert_cmpuint(
            vmdk_descriptor_get_uint(vmdk_test_state(node)->desc, "version", 0),
            ==, 1);
        test_co_write_pattern(node, 512, 512, 1);
        test_co_assert_pattern(node, 0, 1024, 1);
        test_co_close(node);
        g_assert_cmpuint(t->warnings->len, ==, 1);
        if (kind->header)
            g_assert_cmpuint(vmdk_test_peek32(t, kind->header, AT_VERSION), ==,
                             kind->after);
    }
}

static void
test_tracking_may_be_kept(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    g_autofree char *options =
        g_strdup_printf("driver=vmdk,keep-cbt=on,file.filename=%s", path);

    for (unsigned i = 0; i < G_N_ELEMENTS(tracked); i++) {
        g_autoptr(GError) error = NULL;
        char bytes[512] = {1};
        VdNode *node;

        announce(t, &tracked[i]);
        node = test_co_open(t, options, VD_OPEN_RDWR);
        g_assert_false(
            vd_node_co_pwrite(node, 0, bytes, sizeof(bytes), &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
        g_clear_error(&error);
        g_assert_false(vd_node_co_write_zeroes(node, 0, MIB, 0, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
        test_co_assert_zero(node, 0, MIB);
        test_co_close(node);
        node = vmdk_test_open(t, "d.vmdk", 0);
        g_assert_cmpstr(
            vmdk_descriptor_get(vmdk_test_state(node)->desc, "changeTrackPath"),
            ==, "d-c");
        test_co_close(node);
        if (tracked[i].header)
            g_assert_cmpuint(vmdk_test_peek32(t, tracked[i].header, AT_VERSION),
                             ==, 3);
    }
}

/* -- what else the text announces
 * ---------------------------------------------------------- */

static void
write_text(TestCo *t, const char *name, const char *text)
{
    vmdk_test_write_file(t, name, text, strlen(text));
}

#define HEAD                                                                   \
    "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"            \
    "createType=\"vmfs\"\nRW 8 VMFS \"a.raw\"\n"

/* Hashes for a cache of the host: neither read nor missed. */
static void
test_digest_files_are_ignored(TestCo *t)
{
    g_autofree uint8_t *bytes = g_malloc(4096);
    g_autofree char *after = NULL;
    VdNode *node;
    size_t len;

    test_pattern_fill(bytes, 4096, 0, 1);
    vmdk_test_write_file(t, "a.raw", bytes, 4096);
    write_text(t, "d.vmdk",
               HEAD "digestFilename=\"d-digest.vmdk\"\n"
                    "ddb.digestType = \"SHA1\"\n");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_pattern(node, 0, 4096, 1);
    test_co_write_pattern(node, 512, 512, 1);
    test_co_close(node);
    g_assert_cmpuint(t->warnings->len, ==, 0);
    after = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_nonnull(strstr(after, "digestFilename=\"d-digest.vmdk\"\n"));
    g_assert_nonnull(strstr(after, "ddb.digestType = \"SHA1\"\n"));
}

static void
test_encrypted_disks_name_their_key(TestCo *t)
{
    static const char *const texts[][2] = {
        {HEAD "encryptionKeys=\"vmware:key/fqid/%3cVMWARE%2dNULL%3e/kms/"
              "a1b2\"\n",
         "vmware:key/fqid/%3cVMWARE%2dNULL%3e/kms/a1b2"},
        {HEAD "ddb.keyID = \"c3d4\"\n", "c3d4"},
    };
    VdNodeInfo info;

    vmdk_test_write_file(t, "a.raw", "", 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        VdNode *node;

        write_text(t, "d.vmdk", texts[i][0]);
        g_assert_null(vmdk_test_try_open(t, "d.vmdk", 0, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_ENCRYPTED);
        g_assert_nonnull(strstr(error->message, texts[i][1]));
        vmdk_test_assert_refused(t, "d.vmdk", VD_OPEN_RDWR, VD_ERROR_ENCRYPTED);
        node = vmdk_test_open(t, "d.vmdk", VD_OPEN_NO_IO);
        vd_vmdk_driver.get_info(node, &info);
        g_assert_true(info.encrypted);
        test_co_close(node);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/versions/" path, fn)
    ADD("all", test_every_version_is_read_and_written);
    ADD("zeroed-grains", test_zeroed_grains_hide_the_parent);
    ADD("entry-one", test_entry_one_is_no_place_otherwise);
    ADD("tracking-ends", test_tracking_ends_with_the_first_write);
    ADD("tracking-kept", test_tracking_may_be_kept);
    ADD("digest", test_digest_files_are_ignored);
    ADD("encrypted", test_encrypted_disks_name_their_key);
#undef ADD
    return g_test_run();
}
