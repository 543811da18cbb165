#include "peer.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

namespace lamina::bench {

Peer::Peer(const std::string& python, const std::string& kind, const std::string& model,
           const std::filesystem::path& directory, const std::filesystem::path& shapes)
    : kind_(kind) {
  int to[2], from[2];
  // A later peer must not inherit this one's ends: this one would never see its input end.
  if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe to be had");
  }
  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error("cannot fork");
  if (process_ == 0) {
    ::dup2(to[0], STDIN_FILENO);
    ::dup2(from[1], STDOUT_FILENO);
    const char* script = LAMINA_SOURCE_DIR "/bench/checkpoint/peers.py";
    ::execlp(python.c_str(), python.c_str(), script, kind.c_str(), model.c_str(), directory.c_str(),
             shapes.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(to[0]);
  ::close(from[1]);
  to_ = ::fdopen(to[1], "w");
  from_ = ::fdopen(from[0], "r");
  version_ = answer().at("version");
}

Peer::~Peer() {
  std::fclose(to_);  // the end of its commands
  std::fclose(from_);
  ::waitpid(process_, nullptr, 0);
}

double Peer::time(const std::string& command) {
  std::fprintf(to_, "%s\n", command.c_str());
  std::fflush(to_);
  return answer().at("seconds");
}

nlohmann::json Peer::answer() {
  std::string line;
  for (int c = std::fgetc(from_); c != '\n'; c = std::fgetc(from_)) {
    if (c == EOF) throw std::runtime_error(kind_ + " gave no answer: see its messages above");
    line += static_cast<char>(c);
  }
  return nlohmann::json::parse(line);
}

}  // namespace lamina::bench
