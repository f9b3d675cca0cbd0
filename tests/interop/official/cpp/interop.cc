// SPDX-License-Identifier: Apache-2.0
// interop client PORT [CA] | interop server [CERT KEY]: gRPC C++ in both roles, on its public API.
// The client says "ok NAME" for each of the official cases; the server cannot see whether a message
// came compressed, but compresses what it is asked to.
#include "grpc/testing/test.grpc.pb.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace
{

using grpc::ClientContext;
using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;
using grpc::testing::Empty;
using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::StreamingInputCallRequest;
using grpc::testing::StreamingInputCallResponse;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;
using grpc::testing::TestService;
using grpc::testing::UnimplementedService;

constexpr int kRequestSizes[] = {27182, 8, 1828, 45904};
constexpr int kResponseSizes[] = {31415, 9, 2653, 58979};
constexpr char kInitial[] = "x-grpc-test-echo-initial";
constexpr char kTrailing[] = "x-grpc-test-echo-trailing-bin";
constexpr char kEcho[] = "test_initial_metadata_value";
constexpr char kEchoBytes[] = "\xab\xab\xab";
constexpr char kSpecial[] = "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP "
                            "\xf0\x9f\x98\x88\t\n";

std::string read_file(const std::string &path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void check(bool is_true, const char *what)
{
    if (!is_true) {
        std::cerr << "not true: " << what << std::endl;
        std::exit(1);
    }
}

#define CHECK(condition) check((condition), #condition)

void check_status(const Status &status, StatusCode code)
{
    if (status.error_code() != code) {
        std::cerr << "status " << status.error_code() << " instead of " << code << ": "
                  << status.error_message() << std::endl;
        std::exit(1);
    }
}

// ---- client ----

struct Stubs {
    std::unique_ptr<TestService::Stub> test;
    std::unique_ptr<UnimplementedService::Stub> unimplemented;
};

SimpleRequest large_request()
{
    SimpleRequest request;
    request.set_response_size(314159);
    request.mutable_payload()->set_body(std::string(271828, '\0'));
    return request;
}

Status call_large(const Stubs &stubs, const SimpleRequest &request, bool is_compressed)
{
    ClientContext context;
    SimpleResponse response;
    if (is_compressed) {
        context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    }
    Status status = stubs.test->UnaryCall(&context, request, &response);
    CHECK(!status.ok() || response.payload().body().size() == 314159);
    return status;
}

StreamingOutputCallRequest output_request(int i)
{
    StreamingOutputCallRequest request;
    request.add_response_parameters()->set_size(kResponseSizes[i]);
    request.mutable_payload()->set_body(std::string(kRequestSizes[i], '\0'));
    return request;
}

void empty_unary(const Stubs &stubs)
{
    ClientContext context;
    Empty response;
    check_status(stubs.test->EmptyCall(&context, Empty(), &response), StatusCode::OK);
}

void large_unary(const Stubs &stubs)
{
    check_status(call_large(stubs, large_request(), false), StatusCode::OK);
}

void client_compressed_unary(const Stubs &stubs)
{
    SimpleRequest request = large_request();
    request.mutable_expect_compressed()->set_value(true);
    check_status(call_large(stubs, request, false), StatusCode::INVALID_ARGUMENT);
    check_status(call_large(stubs, request, true), StatusCode::OK);
    request.mutable_expect_compressed()->set_value(false);
    check_status(call_large(stubs, request, false), StatusCode::OK);
}

void server_compressed_unary(const Stubs &stubs)
{
    SimpleRequest request = large_request();
    for (bool wish : {true, false}) {
        request.mutable_response_compressed()->set_value(wish);
        check_status(call_large(stubs, request, false), StatusCode::OK);
    }
}

void client_streaming(const Stubs &stubs)
{
    ClientContext context;
    StreamingInputCallResponse response;
    auto stream = stubs.test->StreamingInputCall(&context, &response);
    for (int size : kRequestSizes) {
        StreamingInputCallRequest request;
        request.mutable_payload()->set_body(std::string(size, '\0'));
        CHECK(stream->Write(request));
    }
    stream->WritesDone();
    check_status(stream->Finish(), StatusCode::OK);
    CHECK(response.aggregated_payload_size() == 74922);
}

void client_compressed_streaming(const Stubs &stubs)
{
    ClientContext context;
    StreamingInputCallResponse response;
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    auto stream = stubs.test->StreamingInputCall(&context, &response);
    for (bool is_compressed : {true, false}) {
        StreamingInputCallRequest request;
        grpc::WriteOptions options;
        request.mutable_payload()->set_body(std::string(is_compressed ? 27182 : 45904, '\0'));
        request.mutable_expect_compressed()->set_value(is_compressed);
        if (!is_compressed) {
            options.set_no_compression();
        }
        CHECK(stream->Write(request, options));
    }
    stream->WritesDone();
    check_status(stream->Finish(), StatusCode::OK);
    CHECK(response.aggregated_payload_size() == 73086);
}

void download(const Stubs &stubs, bool is_compressed)
{
    ClientContext context;
    StreamingOutputCallRequest request;
    StreamingOutputCallResponse response;
    for (int size : kResponseSizes) {
        auto *parameters = request.add_response_parameters();
        parameters->set_size(size);
        parameters->mutable_compressed()->set_value(is_compressed);
    }
    auto stream = stubs.test->StreamingOutputCall(&context, request);
    for (int size : kResponseSizes) {
        CHECK(stream->Read(&response));
        CHECK(response.payload().body().size() == static_cast<size_t>(size));
    }
    CHECK(!stream->Read(&response));
    check_status(stream->Finish(), StatusCode::OK);
}

void server_streaming(const Stubs &stubs)
{
    download(stubs, false);
}

void server_compressed_streaming(const Stubs &stubs)
{
    download(stubs, true);
}

void ping_pong(const Stubs &stubs)
{
    ClientContext context;
    StreamingOutputCallResponse response;
    auto stream = stubs.test->FullDuplexCall(&context);
    for (int i = 0; i < 4; i++) {
        CHECK(stream->Write(output_request(i)));
        CHECK(stream->Read(&response));
        CHECK(response.payload().body().size() == static_cast<size_t>(kResponseSizes[i]));
    }
    stream->WritesDone();
    CHECK(!stream->Read(&response));
    check_status(stream->Finish(), StatusCode::OK);
}

void empty_stream(const Stubs &stubs)
{
    ClientContext context;
    StreamingOutputCallResponse response;
    auto stream = stubs.test->FullDuplexCall(&context);
    stream->WritesDone();
    CHECK(!stream->Read(&response));
    check_status(stream->Finish(), StatusCode::OK);
}

void half_duplex(const Stubs &stubs)
{
    ClientContext context;
    StreamingOutputCallResponse response;
    auto stream = stubs.test->HalfDuplexCall(&context);
    for (int i = 0; i < 4; i++) {
        CHECK(stream->Write(output_request(i)));
    }
    stream->WritesDone();
    for (int size : kResponseSizes) {
        CHECK(stream->Read(&response));
        CHECK(response.payload().body().size() == static_cast<size_t>(size));
    }
    CHECK(!stream->Read(&response));
    check_status(stream->Finish(), StatusCode::OK);
}

void cancel_after_begin(const Stubs &stubs)
{
    ClientContext context;
    StreamingInputCallResponse response;
    auto stream = stubs.test->StreamingInputCall(&context, &response);
    context.TryCancel();
    check_status(stream->Finish(), StatusCode::CANCELLED);
}

void cancel_after_first_response(const Stubs &stubs)
{
    ClientContext context;
    StreamingOutputCallResponse response;
    auto stream = stubs.test->FullDuplexCall(&context);
    CHECK(stream->Write(output_request(0)));
    CHECK(stream->Read(&response));
    context.TryCancel();
    check_status(stream->Finish(), StatusCode::CANCELLED);
}

void timeout_on_sleeping_server(const Stubs &stubs)
{
    ClientContext context;
    StreamingOutputCallRequest request;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(1));
    auto stream = stubs.test->FullDuplexCall(&context);
    request.mutable_payload()->set_body(std::string(27182, '\0'));
    stream->Write(request);
    check_status(stream->Finish(), StatusCode::DEADLINE_EXCEEDED);
}

void check_echo(const ClientContext &context)
{
    auto initial = context.GetServerInitialMetadata().find(kInitial);
    auto trailing = context.GetServerTrailingMetadata().find(kTrailing);
    CHECK(initial != context.GetServerInitialMetadata().end() && initial->second == kEcho);
    CHECK(trailing != context.GetServerTrailingMetadata().end() && trailing->second == kEchoBytes);
}

void custom_metadata(const Stubs &stubs)
{
    {
        ClientContext context;
        SimpleRequest request;
        SimpleResponse response;
        context.AddMetadata(kInitial, kEcho);
        context.AddMetadata(kTrailing, kEchoBytes);
        check_status(stubs.test->UnaryCall(&context, request, &response), StatusCode::OK);
        check_echo(context);
    }
    ClientContext context;
    StreamingOutputCallResponse response;
    context.AddMetadata(kInitial, kEcho);
    context.AddMetadata(kTrailing, kEchoBytes);
    auto stream = stubs.test->FullDuplexCall(&context);
    CHECK(stream->Write(output_request(0)));
    stream->WritesDone();
    while (stream->Read(&response)) {
    }
    check_status(stream->Finish(), StatusCode::OK);
    check_echo(context);
}

void ask_for_status(const Stubs &stubs, const std::string &text)
{
    ClientContext context;
    SimpleRequest request;
    SimpleResponse response;
    request.mutable_response_status()->set_code(StatusCode::UNKNOWN);
    request.mutable_response_status()->set_message(text);
    Status status = stubs.test->UnaryCall(&context, request, &response);
    check_status(status, StatusCode::UNKNOWN);
    CHECK(status.error_message() == text);
}

void status_code_and_message(const Stubs &stubs)
{
    ask_for_status(stubs, "test status message");
}

void special_status_message(const Stubs &stubs)
{
    ask_for_status(stubs, kSpecial);
}

void unimplemented_method(const Stubs &stubs)
{
    ClientContext context;
    Empty response;
    check_status(stubs.test->UnimplementedCall(&context, Empty(), &response),
                 StatusCode::UNIMPLEMENTED);
}

void unimplemented_service(const Stubs &stubs)
{
    ClientContext context;
    Empty response;
    check_status(stubs.unimplemented->UnimplementedCall(&context, Empty(), &response),
                 StatusCode::UNIMPLEMENTED);
}

#define CASE(name)                                                                                 \
    {                                                                                              \
#        name, name                                                                                \
    }
const std::vector<std::pair<const char *, std::function<void(const Stubs &)>>> kCases = {
    CASE(empty_unary),
    CASE(large_unary),
    CASE(client_compressed_unary),
    CASE(server_compressed_unary),
    CASE(client_streaming),
    CASE(client_compressed_streaming),
    CASE(server_streaming),
    CASE(server_compressed_streaming),
    CASE(ping_pong),
    CASE(empty_stream),
    CASE(half_duplex),
    CASE(cancel_after_begin),
    CASE(cancel_after_first_response),
    CASE(timeout_on_sleeping_server),
    CASE(custom_metadata),
    CASE(status_code_and_message),
    CASE(special_status_message),
    CASE(unimplemented_method),
    CASE(unimplemented_service),
};

int play(const std::string &port, const char *ca)
{
    grpc::SslCredentialsOptions options;
    if (ca != nullptr) {
        options.pem_root_certs = read_file(ca);
    }
    auto credentials =
        ca != nullptr ? grpc::SslCredentials(options) : grpc::InsecureChannelCredentials();
    auto channel = grpc::CreateChannel("localhost:" + port, credentials);
    Stubs stubs{TestService::NewStub(channel), UnimplementedService::NewStub(channel)};
    for (const auto &one : kCases) {
        one.second(stubs);
        std::cout << "ok " << one.first << std::endl;
    }
    return 0;
}

// ---- server ----

class Service final : public TestService::Service
{
    static void echo(ServerContext *context)
    {
        const auto &metadata = context->client_metadata();
        auto initial = metadata.find(kInitial);
        auto trailing = metadata.find(kTrailing);
        if (initial != metadata.end()) {
            context->AddInitialMetadata(kInitial, {initial->second.data(), initial->second.size()});
        }
        if (trailing != metadata.end()) {
            context->AddTrailingMetadata(kTrailing,
                                         {trailing->second.data(), trailing->second.size()});
        }
    }

    template <typename Stream>
    static void answer(Stream *stream, const StreamingOutputCallRequest &request)
    {
        for (const auto &parameters : request.response_parameters()) {
            StreamingOutputCallResponse response;
            grpc::WriteOptions options;
            response.mutable_payload()->set_body(std::string(parameters.size(), '\0'));
            if (!parameters.compressed().value()) {
                options.set_no_compression();
            }
            std::this_thread::sleep_for(std::chrono::microseconds(parameters.interval_us()));
            stream->Write(response, options);
        }
    }

    Status EmptyCall(ServerContext *, const Empty *, Empty *) override
    {
        return Status::OK;
    }

    Status UnaryCall(ServerContext *context, const SimpleRequest *request,
                     SimpleResponse *response) override
    {
        echo(context);
        if (request->response_status().code() != 0) {
            return {static_cast<StatusCode>(request->response_status().code()),
                    request->response_status().message()};
        }
        if (request->response_compressed().value()) {
            context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
        }
        response->mutable_payload()->set_body(std::string(request->response_size(), '\0'));
        return Status::OK;
    }

    Status StreamingInputCall(ServerContext *,
                              grpc::ServerReader<StreamingInputCallRequest> *reader,
                              StreamingInputCallResponse *response) override
    {
        StreamingInputCallRequest request;
        int total = 0;
        while (reader->Read(&request)) {
            total += static_cast<int>(request.payload().body().size());
        }
        response->set_aggregated_payload_size(total);
        return Status::OK;
    }

    Status StreamingOutputCall(ServerContext *context, const StreamingOutputCallRequest *request,
                               grpc::ServerWriter<StreamingOutputCallResponse> *writer) override
    {
        context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
        answer(writer, *request);
        return Status::OK;
    }

    Status FullDuplexCall(ServerContext *context,
                          grpc::ServerReaderWriter<StreamingOutputCallResponse,
                                                   StreamingOutputCallRequest> *stream) override
    {
        StreamingOutputCallRequest request;
        echo(context);
        while (stream->Read(&request)) {
            if (request.response_status().code() != 0) {
                return {static_cast<StatusCode>(request.response_status().code()),
                        request.response_status().message()};
            }
            answer(stream, request);
        }
        return Status::OK;
    }

    Status HalfDuplexCall(ServerContext *,
                          grpc::ServerReaderWriter<StreamingOutputCallResponse,
                                                   StreamingOutputCallRequest> *stream) override
    {
        std::vector<StreamingOutputCallRequest> requests;
        StreamingOutputCallRequest request;
        while (stream->Read(&request)) {
            requests.push_back(request);
        }
        for (const auto &one : requests) {
            answer(stream, one);
        }
        return Status::OK;
    }
};

int serve(const char *cert, const char *key)
{
    Service service;
    int port = 0;
    grpc::ServerBuilder builder;
    auto credentials = grpc::InsecureServerCredentials();
    if (cert != nullptr) {
        grpc::SslServerCredentialsOptions options;
        options.pem_key_cert_pairs.push_back({read_file(key), read_file(cert)});
        credentials = grpc::SslServerCredentials(options);
    }
    builder.AddListeningPort("127.0.0.1:0", credentials, &port);
    builder.RegisterService(&service);
    auto server = builder.BuildAndStart();
    std::cout << "listening on 127.0.0.1:" << port << std::endl;
    server->Wait();
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    std::string role = argc > 1 ? argv[1] : "";
    if (role == "client" && argc > 2) {
        return play(argv[2], argc > 3 ? argv[3] : nullptr);
    }
    return serve(argc > 3 ? argv[2] : nullptr, argc > 3 ? argv[3] : nullptr);
}
