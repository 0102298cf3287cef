/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers of NBD, byte by byte. */
#include "block/proto/nbd/wire.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static void
assert_bytes(const uint8_t *bytes, size_t len, const char *hex)
{
    g_autoptr(GString) found = g_string_new(NULL);

    for (size_t i = 0; i < len; i++)
        g_string_append_printf(found, "%02x", bytes[i]);
    g_assert_cmpstr(found->str, ==, hex);
}

static void
assert_request(NbdHeaders headers, const NbdRequest *req, const char *hex)
{
    uint8_t bytes[NBD_EXT_REQUEST_SIZE];
    NbdRequest back;
    size_t len = nbd_put_request(headers, req, bytes);

    g_assert_cmpuint(len, ==, nbd_request_size(headers));
    assert_bytes(bytes, len, hex);
    g_assert_true(nbd_get_request(headers, bytes, &back));
    g_assert_cmpuint(back.flags, ==, req->flags);
    g_assert_cmpuint(back.command, ==, req->command);
    g_assert_cmpuint(back.cookie, ==, req->cookie);
    g_assert_cmpuint(back.offset, ==, req->offset);
    g_assert_cmpuint(back.len, ==, req->len);
    bytes[0] ^= 1;
    g_assert_false(nbd_get_request(headers, bytes, &back));
}

static void
test_requests(void)
{
    NbdRequest req = {
        .command = NBD_CMD_READ, .cookie = 1, .offset = 0x200, .len = 4};

    assert_request(NBD_HEADERS_STRUCTURED, &req,
                   "25609513000000000000000000000001"
                   "000000000000020000000004");
    req = (NbdRequest){
        .command = NBD_CMD_BLOCK_STATUS, .cookie = 2, .len = 0x100000};
    assert_request(NBD_HEADERS_SIMPLE, &req,
                   "25609513000000070000000000000002"
                   "000000000000000000100000");
    req = (NbdRequest){.flags = NBD_CMD_FLAG_PAYLOAD_LEN,
                       .command = NBD_CMD_WRITE,
                       .cookie = 3,
                       .len = 2};
    assert_request(NBD_HEADERS_EXTENDED, &req,
                   "21e41c71002000010000000000000003"
                   "00000000000000000000000000000002");
}

static void
assert_reply(NbdHeaders headers, const NbdReply *reply, const char *hex)
{
    uint8_t bytes[NBD_EXT_CHUNK_SIZE];
    NbdReply back;
    size_t len = nbd_put_reply(headers, reply, bytes);

    assert_bytes(bytes, len, hex);
    g_assert_cmpuint(nbd_reply_size(headers, bytes), ==, len);
    nbd_get_reply(bytes, &back);
    g_assert_true(back.simple == reply->simple);
    g_assert_cmpuint(back.flags, ==, reply->flags);
    g_assert_cmpuint(back.type, ==, reply->type);
    g_assert_cmpuint(back.error, ==, reply->error);
    g_assert_cmpuint(back.cookie, ==, reply->cookie);
    g_assert_cmpuint(back.offset, ==, reply->offset);
    g_assert_cmpuint(back.len, ==, reply->len);
}

static void
test_replies(void)
{
    NbdReply reply = {.simple = true, .cookie = 1, .error = NBD_EINVAL};

    assert_reply(NBD_HEADERS_SIMPLE, &reply,
                 "67446698000000160000000000000001");
    reply = (NbdReply){.flags = NBD_REPLY_FLAG_DONE,
                       .type = NBD_CHUNK_OFFSET_DATA,
                       .cookie = 1,
                       .len = 12};
    assert_reply(NBD_HEADERS_STRUCTURED, &reply,
                 "668e33ef0001000100000000000000010000000c");
    reply =
        (NbdReply){.flags = NBD_REPLY_FLAG_DONE, .cookie = 3, .offset = 0x1000};
    assert_reply(NBD_HEADERS_EXTENDED, &reply,
                 "6e8a278c00010000000000000000000300000000000010000000000000"
                 "000000");
}

/* What was not agreed on is no reply. */
static void
test_styles(void)
{
    static const uint8_t simple[] = {0x67, 0x44, 0x66, 0x98},
                         chunk[] = {0x66, 0x8e, 0x33, 0xef},
                         extended[] = {0x6e, 0x8a, 0x27, 0x8c}, none[4];

    g_assert_cmpuint(nbd_reply_size(NBD_HEADERS_STRUCTURED, simple), ==, 16);
    g_assert_cmpuint(nbd_reply_size(NBD_HEADERS_EXTENDED, simple), ==, 0);
    g_assert_cmpuint(nbd_reply_size(NBD_HEADERS_SIMPLE, chunk), ==, 0);
    g_assert_cmpuint(nbd_reply_size(NBD_HEADERS_EXTENDED, chunk), ==, 0);
    g_assert_cmpuint(nbd_reply_size(NBD_HEADERS_STRUCTURED, extended), ==, 0);
    g_assert_cmpuint(nbd_reply_size(NBD_HEADERS_SIMPLE, none), ==, 0);
}

static void
test_names(void)
{
    g_assert_cmpstr(nbd_command_name(NBD_CMD_WRITE_ZEROES), ==, "write zeroes");
    g_assert_null(nbd_command_name(9));
    g_assert_cmpstr(nbd_option_name(NBD_OPT_GO), ==, "GO");
    g_assert_null(nbd_option_name(4));
    g_assert_null(nbd_option_name(UINT32_MAX));
    g_assert_cmpstr(nbd_option_error_name(NBD_REP_ERR_UNKNOWN), ==,
                    "unknown export");
    g_assert_cmpstr(nbd_option_error_name(UINT32_MAX), ==, "unknown error");
    g_assert_cmpint(nbd_error_to_errno(NBD_ESHUTDOWN), ==, ESHUTDOWN);
    g_assert_cmpint(nbd_error_to_errno(0), ==, EINVAL);
    g_assert_cmpint(nbd_error_to_errno(4711), ==, EINVAL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd/wire/requests", test_requests);
    g_test_add_func("/nbd/wire/replies", test_replies);
    g_test_add_func("/nbd/wire/styles", test_styles);
    g_test_add_func("/nbd/wire/names", test_names);
    return g_test_run();
}
