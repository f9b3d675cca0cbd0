// SPDX-License-Identifier: Apache-2.0
// The peer of P7: Health/Check calls by gRPC C++'s asynchronous client, one channel, one thread.
// Prints answers a second. usage: grpc_client ADDRESS OUTSTANDING SECONDS [CA], a PEM file: TLS
#include <grpc/health/v1/health.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

namespace health = grpc::health::v1;
using Clock = std::chrono::steady_clock;

namespace
{

struct Call {
    grpc::ClientContext context;
    health::HealthCheckResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<health::HealthCheckResponse>> reader;
};

void begin(health::Health::Stub &stub, grpc::CompletionQueue &queue)
{
    auto *call = new Call;
    call->reader = stub.AsyncCheck(&call->context, health::HealthCheckRequest(), &queue);
    call->reader->Finish(&call->response, &call->status, call);
}

std::shared_ptr<grpc::ChannelCredentials> credentials(int argc, char **argv)
{
    if (argc == 4) {
        return grpc::InsecureChannelCredentials();
    }
    std::ifstream file(argv[4]);
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = {std::istreambuf_iterator<char>(file), {}};
    return grpc::SslCredentials(options);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5) {
        std::cerr << "usage: grpc_client ADDRESS OUTSTANDING SECONDS [CA]\n";
        return 2;
    }
    auto stub = health::Health::NewStub(grpc::CreateChannel(argv[1], credentials(argc, argv)));
    const double seconds = std::atof(argv[3]);
    const auto from = Clock::now() + std::chrono::seconds(1);
    const auto until =
        from + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    grpc::CompletionQueue queue;
    int open = std::atoi(argv[2]);
    for (int i = 0; i < open; i++) {
        begin(*stub, queue);
    }
    long answered = 0;
    void *tag = nullptr;
    bool ok = false;
    while (open > 0 && queue.Next(&tag, &ok)) {
        std::unique_ptr<Call> call(static_cast<Call *>(tag));
        const auto now = Clock::now();
        if (!ok || !call->status.ok() ||
            call->response.status() != health::HealthCheckResponse::SERVING) {
            std::cerr << "Check: " << call->status.error_message() << "\n";
            return 1;
        }
        answered += now >= from && now < until ? 1 : 0;
        if (now < until) {
            begin(*stub, queue);
        } else {
            open--;
        }
    }
    std::cout << static_cast<double>(answered) / seconds << "\n";
}
