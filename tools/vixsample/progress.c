/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/progress.c - how far a long call of the library is.
 *
 * Where the library lets progress functions cancel, Ctrl-C does so; otherwise
 * it ends the process, since nothing else would be prompt.
 *
 * Concurrency: all on the thread that calls the library.
 */
#include "tools/vixsample/progress.h"

#include <stdio.h>

#include "tools/vixsample/interrupt.h"
#include "tools/vixsample/library.h"

Progress
progress_begin(const char *what)
{
    Progress progress = {.what = what, .percent = -1};

    if (HAVE(VixDiskLibExt_SetProgressCancels)) {
        library.VixDiskLibExt_SetProgressCancels(TRUE);
        progress.can_cancel = true;
        interrupt_begin();
    }
    return progress;
}

Bool
progress_update(void *data, int percent)
{
    Progress *progress = data;

    if (percent > progress->percent) {
        progress->percent = percent;
        printf("\r%s: %d %%", progress->what, percent);
        fflush(stdout);
    }
    return interrupt_pending() ? FALSE : TRUE;
}

bool
progress_end(Progress *progress, bool ok)
{
    if (progress->can_cancel) {
        library.VixDiskLibExt_SetProgressCancels(FALSE);
        interrupt_end();
    }
    if (progress->percent >= 0)
        putchar('\n');
    return ok;
}
