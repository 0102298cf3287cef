/* SPDX-License-Identifier: BSD-3-Clause */
/* io/group.c - several coroutines side by side, then joined.
 *
 * Concurrency: producer and members live on one loop; one producer.
 */
#include "io/sync.h"

typedef struct GroupMember {
    struct GroupMember *next; /* in the spare list */
    VioCoGroup *group;
    VioCoGroupFunc fn;
    void *arg;
    GDestroyNotify free_arg;
} GroupMember;

struct VioCoGroup {
    VioLoop *loop;
    unsigned max, running;
    bool joined;
    bool failed;
    GError *error;   /* of the first that failed */
    VioCo *producer; /* waits for a slot or for all */
    unsigned wake_at;
    GroupMember *spare;
};

VioCoGroup *
vio_co_group_new(unsigned max_in_flight)
{
    VioCoGroup *group = g_new0(VioCoGroup, 1);

    g_assert(max_in_flight > 0);
    group->loop = vio_co_loop();
    group->max = max_in_flight;
    group->joined = true; /* nothing to wait for yet */
    return group;
}

static void
member_end(GroupMember *member)
{
    VioCoGroup *group = member->group;

    if (member->free_arg)
        member->free_arg(member->arg);
    member->next = group->spare;
    group->spare = member;
}

static void
member_main(void *opaque)
{
    GroupMember *member = opaque;
    VioCoGroup *group = member->group;
    GError *error = NULL;

    /* Started before the first failure, but not run until after it. */
    if (!group->failed && !member->fn(member->arg, &error)) {
        if (!group->failed)
            group->error = g_steal_pointer(&error);
        group->failed = true;
        g_clear_error(&error);
    }
    member_end(member);
    group->running--;
    if (group->producer && group->running <= group->wake_at) {
        vio_co_wake(group->producer);
        group->producer = NULL;
    }
}

/* Wait until at most @n members run. */
static void
group_co_wait(VioCoGroup *group, unsigned n)
{
    if (group->running <= n)
        return;
    group->wake_at = n;
    group->producer = vio_co_self();
    vio_co_yield();
}

static GroupMember *
member_new(VioCoGroup *group)
{
    GroupMember *member = group->spare;

    if (!member)
        return g_new(GroupMember, 1);
    group->spare = member->next;
    return member;
}

void
vio_co_group_spawn(VioCoGroup *group, VioCoGroupFunc fn, void *arg,
                   GDestroyNotify free_arg)
{
    GroupMember *member;

    group_co_wait(group, group->max - 1);
    member = member_new(group);
    *member = (GroupMember){
        .group = group, .fn = fn, .arg = arg, .free_arg = free_arg};
    if (group->failed) {
        member_end(member);
        return;
    }
    group->joined = false;
    group->running++;
    vio_co_start(group->loop, member_main, member);
}

bool
vio_co_group_failed(const VioCoGroup *group)
{
    return group->failed;
}

bool
vio_co_group_join(VioCoGroup *group, GError **error)
{
    group_co_wait(group, 0);
    group->joined = true;
    if (group->error) {
        if (error)
            g_propagate_error(error, g_steal_pointer(&group->error));
        else
            g_clear_error(&group->error);
    }
    return !group->failed;
}

void
vio_co_group_free(VioCoGroup *group)
{
    g_assert(group->joined);
    g_clear_error(&group->error);
    while (group->spare) {
        GroupMember *member = group->spare;

        group->spare = member->next;
        g_free(member);
    }
    g_free(group);
}
