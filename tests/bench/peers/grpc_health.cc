// SPDX-License-Identifier: Apache-2.0
// The peer of P1 and P5: grpc.health.v1.Health by gRPC C++'s callback API. Watch answers once and
// stays open. usage: grpc_health PORT
#include <grpc/health/v1/health.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include <iostream>
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

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::cerr << "usage: grpc_health PORT\n";
        return 2;
    }
    HealthService service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::string(argv[1]),
                             grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server) {
        return 1;
    }
    server->Wait();
}
