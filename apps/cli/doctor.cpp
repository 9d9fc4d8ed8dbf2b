// mm-orch doctor: what is installed, what is wrong, and the command that mends it.
// PyTorch is needed: it is the default and every fallback. OpenVINO is needed only where
// someone installed it: then a plug-in that does not load is a fault.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>

#include "command.h"
#include "download.h"
#include "exit_codes.h"
#include "mm_orch/diagnostics.h"
#include "terminal.h"
#include "text_width.h"

namespace mm_orch::cli {
namespace {

enum class Verdict { kGood, kNote, kFault };

void print_line(Verdict verdict, const std::string& label, const std::string& text) {
  const auto mark = verdict == Verdict::kGood   ? styled(Style::kGreen, "ok  ")
                    : verdict == Verdict::kNote ? styled(Style::kYellow, "note")
                                                : styled(Style::kRed, "BAD ");
  print(fmt::format("{}  {:<10} {}\n", mark, label, text));
}

void print_detail(const std::string& text) { print(fmt::format("{:17}{}\n", "", text)); }

Verdict judge(const BackendDiagnosis& backend) {
  if (backend.available) return Verdict::kGood;
  const bool installed = !backend.plugin_path.empty() && !backend.found_version.empty();
  return backend.name == "pytorch" || installed ? Verdict::kFault : Verdict::kNote;
}

void print_backend(const BackendDiagnosis& backend, Verdict verdict) {
  const auto or_none = [](const std::string& text) { return text.empty() ? "none" : text; };
  print_line(verdict, backend.name,
             fmt::format("{} found: {}, plug-in built for: {}", backend.sdk,
                         or_none(backend.found_version), or_none(backend.built_version)));
  print_detail(fmt::format("plug-in: {}", or_none(backend.plugin_path)));
  for (const BackendDevice& device : backend.devices)
    print_detail(fmt::format("device {}: {}", device.id, device.name));
  if (!backend.problem.empty()) print_detail(backend.problem);
}

void print_host() {
  const HostDiagnosis host = diagnose_host();
  print_line(Verdict::kGood, "cpu", fmt::format("{}, {} cores", host.cpu, host.cores));
  print_detail(fmt::format("features: {}", fmt::join(host.cpu_features, " ")));
  print_line(Verdict::kGood, "memory",
             fmt::format("{} available of {}", format_bytes(host.available_bytes),
                         format_bytes(host.memory_bytes)));
}

void print_download() {
  if (const auto command = find_hf_command(); !command.empty())
    print_line(Verdict::kGood, "download", command);
  else
    print_line(Verdict::kNote, "download",
               "no `hf` command on PATH; models must be here already. Mend it with: pip install "
               "huggingface_hub");
}

int doctor() {
  print_line(Verdict::kGood, "mm_orch", fmt::format("{} in {}", library_version(), library_path()));
  bool faulty = false;
  for (const BackendDiagnosis& backend : diagnose_backends()) {
    const Verdict verdict = judge(backend);
    print_backend(backend, verdict);
    faulty = faulty || verdict == Verdict::kFault;
  }
  print_host();
  print_download();
  print(faulty ? "\nSomething that is needed is broken; see BAD above.\n"
               : "\nEverything that is needed works.\n");
  return faulty ? kExitFailure : kExitSuccess;
}

}  // namespace

Runner add_doctor_command(CLI::App& app) {
  app.add_subcommand("doctor", "check the installation; exit code 1 if it is broken");
  return [] { return doctor(); };
}

}  // namespace mm_orch::cli
