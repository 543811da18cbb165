#pragma once
#include <lamina/model.h>

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace lamina::interop {

/// The models that one client holds, and what it may ask of them. A request is
/// {"op": name, arguments...}; a reply is what the operation returns, or {"error": class,
/// "message"}, and in both cases "warnings", those that the request caused.
class Session {
 public:
  [[nodiscard]] nlohmann::json answer(const nlohmann::json& request);

 private:
  nlohmann::json run(const nlohmann::json& request);
  nlohmann::json add(ModelPtr model);
  nlohmann::json make(const nlohmann::json& request);
  nlohmann::json use(Model& model, const nlohmann::json& request);

  std::map<int, ModelPtr> models_;
  int next_ = 0;
};

}  // namespace lamina::interop
