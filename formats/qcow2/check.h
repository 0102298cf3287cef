/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/check.h - counting the users of every cluster. */
#pragma once

#include "block/finding.h"
#include "formats/qcow2/qcow2.h"

/* How often each cluster of the file is used, as the tables have it. */
typedef struct Qcow2Survey {
    Qcow2State *s;
    VdCheckResult *result;
    Qcow2Refcounts *rc; /* as they are in the file; nobody else's */
    uint32_t *users;
    uint64_t n;          /* clusters of the file, the last one may be short */
    uint64_t last_place; /* of the cluster before, for fragmentation */
    bool rebuild; /* what holds the counts is itself damaged, or lacks room */
    bool unclear; /* there are entries that nobody can read: they may name
                     anything */
    uint64_t n_copied; /* COPIED bits that are wrong */
} Qcow2Survey;

/* Fails only if something cannot be read or there is no memory; what is wrong
 * is noted. */
bool qcow2_survey_co_walk(Qcow2Survey *survey, GError **error);
/* [off, off + len) has one more user; the finding for what lies behind the end
 * of the file calls it @what. */
void qcow2_survey_use(Qcow2Survey *survey, uint64_t off, uint64_t len,
                      const char *what);
/* Is this word of an L1 table one that names an L2 table of the file? */
bool qcow2_survey_names_table(const Qcow2Survey *survey, uint64_t word);
/* The blocks of @survey->rc and their table have @delta more users each. */
void qcow2_survey_count_refcounts(Qcow2Survey *survey, int delta);
/* False between two tables if nobody wants to know any more: a small file may
 * name the same table millions of times. */
bool qcow2_survey_go_on(const Qcow2Survey *survey, GError **error);
/* Clusters of bitmaps (bitmap-walk.c). */
bool qcow2_survey_co_bitmaps(Qcow2Survey *survey, GError **error);

/* COPIED bits (copied.c): set where there is one user, and only there.  Note
 * those that are not, or @mend them (in memory). */
bool qcow2_survey_co_copied(Qcow2Survey *survey, bool mend, GError **error);

/* -- mending (repair.c) ---------------------------------------------------- */

/* Make the file say what @survey has found; @repair: VdRepair. */
bool qcow2_survey_co_repair(Qcow2Survey *survey, unsigned repair,
                            GError **error);
/* Refcounts of @order (bits, as a power of two) that say what the users of
 * @survey say, in new places, durable; @hdr names them, the header in the file
 * does not, yet.  The old ones must not be counted any more. */
bool qcow2_co_write_refcounts(Qcow2State *s, const Qcow2Survey *survey,
                              unsigned order, Qcow2Header *hdr, GError **error);
/* Who was opened for writing goes on with the counts that the file has now. */
bool qcow2_co_reopen_refcounts(Qcow2State *s, GError **error);

/* All users of an image that is sound but for leaks; CORRUPT if it is not. */
bool qcow2_survey_co_sound(Qcow2Survey *survey, GError **error);
void qcow2_survey_clear(Qcow2Survey *survey);

/* Nothing is wrong any more: the header no longer says so. */
bool qcow2_co_mark_sound(Qcow2State *s, GError **error);
/* Of an image that was not closed cleanly, before it is written to. */
bool qcow2_co_mend_dirty(Qcow2State *s, GError **error);

bool qcow2_co_check(VdNode *node, const VdCheckParams *params,
                    VdCheckResult *result, GError **error);
