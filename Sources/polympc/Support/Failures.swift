import ArgumentParser
import Daemons
import Foundation
import Hardware
import Networks
import ONNX
import Programs
import Tracing
import Training
import Transport

/// How errors become exit codes (those of sysexits.h) and one line on standard error.
enum Failures {
  /// Runs a command; prints an error's sentence and exits with its code.
  static func reporting(_ body: () throws -> Void) throws {
    do { try body() } catch let error as ExitCode { throw error } catch let error as ValidationError {
      throw error
    } catch {
      FileHandle.standardError.write(Data("polympc: \(error)\n".utf8))
      throw ExitCode(code(of: error))
    }
  }

  static func code(of error: any Error) -> Int32 {
    switch error {
    case let error as DaemonsError:
      switch error {
      case .configurationFile, .unknownKey, .invalidKey, .missingKey: 78
      case .input: 65
      case .system, .admin, .controlProtocol: 69
      case .refused(let code, _):
        switch code {
        case .invalid: 65
        case .busy, .unavailable, .stopping: 69
        case .timedOut: 75
        case .failed: 1
        }
      }
    case let error as NetworksError: if case .fileSystem(_, "written", _) = error { 73 } else { 65 }
    case let error as ONNXError: if case .fileSystem(_, "written", _) = error { 73 } else { 65 }
    case is ProgramError: 65
    case let error as HardwareError:
      switch error {
      case .unknownName, .invalidCount: 64
      case .missingModels, .missingDescriptor: 1
      default: 65
      }
    case let error as TraceError: if case .fileSystem(_, "written", _) = error { 73 } else { 65 }
    case let error as TrainingError:
      switch error {
      case .badConfiguration: 64
      case .checkpointNotWritten: 73
      case .diverged: 1
      default: 65
      }
    case let error as TransportError:
      switch error {
      case .identityExists, .identityNotWritten: 73
      case .identityUnreadable, .keyReadableByOthers, .malformedFingerprint, .noPinnedFingerprint: 78
      case .timedOut: 75
      default: 69
      }
    default: 1
    }
  }
}
