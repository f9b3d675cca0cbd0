// SPDX-License-Identifier: Apache-2.0
// The peer of P1, P5 and P7: grpc.health.v1.Health by gRPC C++'s callback API. Watch answers once
// and stays open. usage: grpc_health PORT [KEY CERT], PEM files: TLS
#include <grpc/health/v1/health.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

namespace health = grpc::health::v1;

namespace
{

class Watcher : public grpc::ServerWriteReactor<health::HealthCheckResponse>
{
  public:
    Watcher()
    {
        response_.set_status(health::HealthCheckResponse::SERVING);
        StartWrite(&response_);
    }
    void OnCancel() override
    {
        Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override
    {
        delete this;
    }

  private:
    health::HealthCheckResponse response_;
};

class HealthService : public health::Health::CallbackService
{
  public:
    grpc::ServerUnaryReactor *Check(grpc::CallbackServerContext *context,
                                    const health::HealthCheckRequest *,
                                    health::HealthCheckResponse *response) override
    {
        response->set_status(health::HealthCheckResponse::SERVING);
        grpc::ServerUnaryReactor *reactor = context->DefaultReactor();
        reactor->Finish(grpc::Status::OK);
        return reactor;
    }
    grpc::ServerWriteReactor<health::HealthCheckResponse> *
    Watch(grpc::CallbackServerContext *, const health::HealthCheckRequest *) override
    {
        return new Watcher();
    }
};

std::string read_file(const char *path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<grpc::ServerCredentials> credentials(int argc, char **argv)
{
    if (argc == 2) {
        return grpc::InsecureServerCredentials();
    }
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({read_file(argv[2]), read_file(argv[3])});
    return grpc::SslServerCredentials(options);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 4) {
        std::cerr << "usage: grpc_health PORT [KEY CERT]\n";
        return 2;
    }
    HealthService service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::string(argv[1]), credentials(argc, argv));
    builder.RegisterService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server) {
        return 1;
    }
    server->Wait();
}
