/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-graph.c - what vd_disk_get_graph() says. */
#include "tests/unit/api-test.h"

static VdGraphNode *
graph_of(VdDisk *disk)
{
    GError *error = NULL;
    VdGraphNode *graph = vd_disk_get_graph(disk, &error);

    g_assert_no_error(error);
    return graph;
}

static void
make_vmdk(const ApiTest *t, const char *path, const char *options)
{
    GError *error = NULL;
    VdCreateParams params = {.filename = path,
                             .format = "vmdk",
                             .size = 2 * MIB,
                             .options = options};

    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
}

static const VdGraphNode *
child(const VdGraphNode *node, unsigned i, const char *edge)
{
    const VdGraphNode *found;

    g_assert_cmpuint(i, <, node->children->len);
    found = node->children->pdata[i];
    g_assert_cmpstr(found->edge, ==, edge);
    return found;
}

static void
test_has_extents_in_order(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "f.vmdk");
    VdDisk *disk;

    make_vmdk(t, path, "subformat=twoGbMaxExtentFlat,split_size=1M");
    disk = api_test_open(t, path, "vmdk", 0);
    g_autoptr(VdGraphNode) graph = graph_of(disk);
    g_assert_cmpstr(graph->edge, ==, "");
    g_assert_cmpstr(graph->info->format, ==, "vmdk");
    g_assert_cmpuint(graph->children->len, ==, 3);
    g_assert_cmpstr(child(graph, 0, "file")->info->filename, ==, path);
    g_assert_cmpuint(child(graph, 1, "extents.0")->info->virtual_size, ==, MIB);
    g_assert_cmpuint(child(graph, 2, "extents.1")->info->virtual_size, ==, MIB);
    g_assert_cmpuint(child(graph, 2, "extents.1")->children->len, ==, 0);
    api_test_close(disk);
}

static void
test_outlives_the_disk_without_parents(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "c.vmdk");
    VdDisk *disk;

    make_vmdk(t, api_test_path(t, "p.vmdk"), NULL);
    make_vmdk(t, path, "backing_file=p.vmdk,backing_fmt=vmdk");
    disk = api_test_open(t, path, "vmdk", 0);
    g_assert_cmpuint(vd_disk_count_links(disk), ==, 2);
    g_autoptr(VdGraphNode) graph = graph_of(disk);
    api_test_close(disk);
    g_assert_cmpuint(graph->children->len, ==, 1);
    g_assert_cmpstr(graph->info->backing_filename, ==, "p.vmdk");
    g_assert_cmpstr(child(graph, 0, "file")->info->filename, ==, path);
}

static void
test_limits_are_those_of_each_node(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    const VdGraphNode *fault;
    VdDisk *disk;

    api_test_make_full(path, MIB, 1);
    disk = api_test_open_opts(t, 0,
                              "driver=raw,file.driver=fault,file.align=4096,"
                              "file.max-transfer=64k,file.opt-discard=32k,"
                              "file.image.filename=%s",
                              path);
    g_autoptr(VdGraphNode) graph = graph_of(disk);
    fault = child(graph, 0, "file");
    g_assert_cmpuint(graph->limits.request_align, ==, 1);
    g_assert_cmpuint(graph->limits.max_transfer, >, 64 * KIB);
    g_assert_cmpuint(fault->limits.request_align, ==, 4096);
    g_assert_cmpuint(fault->limits.max_transfer, ==, 64 * KIB);
    g_assert_cmpuint(fault->limits.zeroes_align, ==, 4096);
    g_assert_cmpuint(fault->limits.discard_align, ==, 32 * KIB);
    g_assert_cmpuint(child(fault, 0, "file")->limits.request_align, ==, 1);
    api_test_close(disk);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/graph/has-extents-in-order", test_has_extents_in_order);
    api_test_add("/api/graph/outlives-the-disk-without-parents",
                 test_outlives_the_disk_without_parents);
    api_test_add("/api/graph/limits-are-those-of-each-node",
                 test_limits_are_those_of_each_node);
    return g_test_run();
}
