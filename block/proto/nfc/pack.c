/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/pack.c - the frames of a write; compression, on workers.
 *
 * A write has one number and as many frames as it has buffers' worth of data.
 * They are sent in one piece: nobody has told what a server makes of those of
 * two writes mixed.
 *
 * Concurrency: each call has its own; the work is done on a worker, which
 * touches nothing but that.
 */
#include "block/proto/nfc/conn.h"

#include "io/offload.h"

#define HEAD_BYTES (NFC_HEADER_BYTES + NFC_IO_BYTES)

/* -- compressing ----------------------------------------------------------- */

typedef struct {
    NfcCompression how;
    const VioVec *data;
    size_t part; /* bytes of a fragment */
    GPtrArray *extras;
} EncodeWork;

/* Its bytes in one piece; *@copy is to be freed. */
static const uint8_t *
in_one_piece(const VioVec *vec, uint8_t **copy)
{
    const uint8_t *bytes = vio_vec_contiguous(vec);

    if (bytes)
        return bytes;
    *copy = g_malloc(vec->len);
    vio_vec_copy_out(vec, *copy);
    return *copy;
}

/* NULL if it is not worth it. */
static GByteArray *
encode_part(NfcCompression how, const VioVec *part)
{
    g_autofree uint8_t *copy = NULL;
    const uint8_t *bytes = in_one_piece(part, &copy);
    GByteArray *out = g_byte_array_new();
    size_t n;

    g_byte_array_set_size(out, (guint) part->len - 1);
    n = nfc_encode(how, bytes, part->len, out->data, part->len - 1);
    g_byte_array_set_size(out, (guint) n);
    if (n == 0)
        g_clear_pointer(&out, g_byte_array_unref);
    return out;
}

static void
encode_main(void *opaque)
{
    EncodeWork *work = opaque;

    for (size_t at = 0; at < work->data->len; at += work->part) {
        VioVec part = vio_vec_slice(work->data, at,
                                    MIN(work->part, work->data->len - at));

        g_ptr_array_add(work->extras, encode_part(work->how, &part));
    }
}

/* -- frames ---------------------------------------------------------------- */

static void
put_head(uint8_t *head, const NfcConn *conn, const NfcJob *job, size_t at,
         size_t len, const GByteArray *extra)
{
    NfcHeader header = {.type = NFC_IO, .size = NFC_IO_BYTES};
    NfcIo io = {
        .handle = conn->file.handle,
        .direction = NFC_WRITE,
        .compression = extra ? conn->target->compression : NFC_PLAIN,
        .off = job->off,
        .total = (uint32_t) job->data->len,
        .part_off = (uint32_t) at,
        .part_len = (uint32_t) len,
        .extra_len = extra ? extra->len : (uint32_t) len,
    };

    nfc_put_header(&header, head);
    nfc_put_io(&io, head + NFC_HEADER_BYTES);
}

/* Returns how many elements of @iov it takes. */
static int
put_frame(NfcPack *pack, unsigned i, const VioVec *part, struct iovec *iov)
{
    const GByteArray *extra =
        pack->extras ? g_ptr_array_index(pack->extras, i) : NULL;

    iov[0] = (struct iovec){pack->heads + i * HEAD_BYTES, HEAD_BYTES};
    if (!extra)
        return 1 + vio_vec_fill(part, iov + 1, vio_vec_count(part), NULL);
    iov[1] = (struct iovec){extra->data, extra->len};
    return 2;
}

static void
pack_fill(NfcPack *pack, const NfcConn *conn, const NfcJob *job)
{
    size_t most = conn->buffer_size;
    int n = 0;

    /* A slice may begin and end in the middle of an element. */
    pack->iov =
        g_new(struct iovec, (gsize) vio_vec_count(job->data) + 3 * pack->n);
    for (unsigned i = 0; i < pack->n; i++) {
        size_t at = i * most;
        VioVec part =
            vio_vec_slice(job->data, at, MIN(most, job->data->len - at));

        put_head(pack->heads + i * HEAD_BYTES, conn, job, at, part.len,
                 pack->extras ? g_ptr_array_index(pack->extras, i) : NULL);
        n += put_frame(pack, i, &part, pack->iov + n);
    }
    pack->vec = vio_vec_from_iov(pack->iov, n);
}

static void
extra_free(gpointer extra)
{
    if (extra)
        g_byte_array_unref(extra);
}

void
nfc_pack_co_make(NfcPack *pack, const NfcConn *conn, const NfcJob *job)
{
    size_t most = conn->buffer_size, len = job->data->len;
    EncodeWork work = {
        .how = conn->target->compression, .data = job->data, .part = most};

    *pack = (NfcPack){.n = (unsigned) ((len + most - 1) / most)};
    pack->heads = g_malloc((gsize) pack->n * HEAD_BYTES);
    if (work.how != NFC_PLAIN) {
        pack->extras = work.extras = g_ptr_array_new_with_free_func(extra_free);
        vio_co_offload(conn->peer.env->loop, encode_main, &work);
    }
    pack_fill(pack, conn, job);
}

void
nfc_pack_set_op(NfcPack *pack, uint32_t op)
{
    NfcHeader header = {.type = NFC_IO, .size = NFC_IO_BYTES, .op = op};

    for (unsigned i = 0; i < pack->n; i++)
        nfc_put_header(&header, pack->heads + i * HEAD_BYTES);
}

void
nfc_pack_clear(NfcPack *pack)
{
    g_free(pack->heads);
    g_free(pack->iov);
    if (pack->extras)
        g_ptr_array_unref(pack->extras);
    *pack = (NfcPack){0};
}

/* -- decompressing --------------------------------------------------------- */

typedef struct {
    const NfcJob *job;
    GError *error;
} DecodeWork;

static bool
decode_piece(const VioVec *data, const NfcPiece *piece, GError **error)
{
    VioVec part = vio_vec_slice(data, piece->off, piece->len);
    uint8_t *bytes = vio_vec_contiguous(&part);
    g_autofree uint8_t *copy = bytes ? NULL : g_malloc(piece->len);

    if (!nfc_decode(piece->how, piece->bytes, piece->n, bytes ? bytes : copy,
                    piece->len, error))
        return false;
    if (copy)
        vio_vec_copy_in(&part, copy);
    return true;
}

static void
decode_main(void *opaque)
{
    DecodeWork *work = opaque;
    const GArray *pieces = work->job->pieces;

    for (guint i = 0; i < pieces->len; i++)
        if (!decode_piece(work->job->data, &g_array_index(pieces, NfcPiece, i),
                          &work->error))
            return;
}

bool
nfc_co_unpack(VioLoop *loop, NfcJob *job, GError **error)
{
    DecodeWork work = {.job = job};

    vio_co_offload(loop, decode_main, &work);
    if (!work.error)
        return true;
    g_propagate_error(error, work.error);
    return false;
}
