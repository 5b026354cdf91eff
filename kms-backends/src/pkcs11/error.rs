//! From the return values of a token to categories: the table in `docs/key-services.md`, as code.

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};

use crate::error::Category;

const REJECTED: (Category, &str) = (Category::Rejected, "rejected the wrapped content key");

/// The category, and what the token did.
pub(super) fn classify(error: &Error) -> (Category, &'static str) {
    match error {
        // Some tokens answer this for a ciphertext that does not decrypt. Problems of the device have codes of their own.
        Error::Pkcs11(RvError::GeneralError | RvError::FunctionFailed, Function::Decrypt) => {
            REJECTED
        }
        Error::Pkcs11(value, _) => classify_value(*value),
        Error::InvalidValue
        | Error::LibraryLoading(_)
        | Error::MissingSymbol(_)
        | Error::NotSupported
        | Error::NullFunctionPointer
        | Error::NulError(_)
        | Error::ParseInt(_)
        | Error::PinNotSet
        | Error::TryFromInt(_)
        | Error::TryFromSlice(_)
        | Error::Utf8(_) => (
            Category::Misconfigured,
            "answered in a way that this program does not understand",
        ),
    }
}

/// PKCS#11 3.1 §5.1. Every value, so that a new one asks what it means.
fn classify_value(value: RvError) -> (Category, &'static str) {
    match value {
        RvError::DataInvalid
        | RvError::DataLenRange
        | RvError::EncryptedDataInvalid
        | RvError::EncryptedDataLenRange => REJECTED,
        RvError::ActionProhibited
        | RvError::FunctionRejected
        | RvError::KeyFunctionNotPermitted => (Category::Denied, "denied the use of the key"),
        RvError::PinExpired
        | RvError::PinIncorrect
        | RvError::PinInvalid
        | RvError::PinLenRange
        | RvError::PinLocked
        | RvError::PinTooWeak
        | RvError::UserAnotherAlreadyLoggedIn
        | RvError::UserPinNotInitialized
        | RvError::UserTooManyTypes
        | RvError::UserTypeInvalid => (Category::Misconfigured, "rejected the login"),
        RvError::ArgumentsBad
        | RvError::AttributeReadOnly
        | RvError::AttributeSensitive
        | RvError::AttributeTypeInvalid
        | RvError::AttributeValueInvalid
        | RvError::CantLock
        | RvError::CryptokiAlreadyInitialized
        | RvError::CurveNotSupported
        | RvError::DomainParamsInvalid
        | RvError::ExceededMaxIterations
        | RvError::FipsSelfTestFailed
        | RvError::FunctionNotParallel
        | RvError::FunctionNotSupported
        | RvError::InformationSensitive
        | RvError::KeyIndigestible
        | RvError::KeyNeeded
        | RvError::KeyNotNeeded
        | RvError::KeyNotWrappable
        | RvError::KeySizeRange
        | RvError::KeyTypeInconsistent
        | RvError::KeyUnextractable
        | RvError::LibraryLoadFailed
        | RvError::MechanismInvalid
        | RvError::MechanismParamInvalid
        | RvError::NeedToCreateThreads
        | RvError::NewPinMode
        | RvError::NextOtp
        | RvError::PublicKeyInvalid
        | RvError::RandomNoRng
        | RvError::RandomSeedNotSupported
        | RvError::SavedStateInvalid
        | RvError::SessionExists
        | RvError::SessionParallelNotSupported
        | RvError::SessionReadOnly
        | RvError::SessionReadOnlyExists
        | RvError::SessionReadWriteSoExists
        | RvError::SignatureInvalid
        | RvError::SignatureLenRange
        | RvError::SlotIdInvalid
        | RvError::StateUnsaveable
        | RvError::TemplateIncomplete
        | RvError::TemplateInconsistent
        | RvError::TokenNotRecognized
        | RvError::TokenWriteProtected
        | RvError::UnwrappingKeyHandleInvalid
        | RvError::UnwrappingKeySizeRange
        | RvError::UnwrappingKeyTypeInconsistent
        | RvError::WrappedKeyInvalid
        | RvError::WrappedKeyLenRange
        | RvError::WrappingKeyHandleInvalid
        | RvError::WrappingKeySizeRange
        | RvError::WrappingKeyTypeInconsistent => {
            (Category::Misconfigured, "does not support this operation")
        }
        // Removed, busy, in a bad state: a new session may work.
        RvError::BufferTooSmall
        | RvError::Cancel
        | RvError::CryptokiNotInitialized
        | RvError::DeviceError
        | RvError::DeviceMemory
        | RvError::DeviceRemoved
        | RvError::FunctionCanceled
        | RvError::FunctionFailed
        | RvError::GeneralError
        | RvError::HostMemory
        | RvError::KeyChanged
        | RvError::KeyHandleInvalid
        | RvError::MutexBad
        | RvError::MutexNotLocked
        | RvError::NoEvent
        | RvError::ObjectHandleInvalid
        | RvError::OperationActive
        | RvError::OperationNotInitialized
        | RvError::SessionClosed
        | RvError::SessionCount
        | RvError::SessionHandleInvalid
        | RvError::TokenNotPresent
        | RvError::UnknownErrorCode(_)
        | RvError::UserAlreadyLoggedIn
        | RvError::UserNotLoggedIn
        | RvError::VendorDefined(_) => (Category::Unavailable, "is not available"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_support::tables;

    /// The rows of docs/key-services.md.
    #[test]
    fn each_return_value_has_its_category() {
        let values = [
            RvError::ArgumentsBad,
            RvError::DeviceError,
            RvError::DeviceRemoved,
            RvError::EncryptedDataInvalid,
            RvError::EncryptedDataLenRange,
            RvError::FunctionFailed,
            RvError::GeneralError,
            RvError::HostMemory,
            RvError::KeyFunctionNotPermitted,
            RvError::KeyTypeInconsistent,
            RvError::MechanismInvalid,
            RvError::PinIncorrect,
            RvError::PinLocked,
            RvError::SessionHandleInvalid,
            RvError::TokenNotPresent,
        ];
        let rows = tables::rows("pkcs11");
        assert_eq!(rows.len(), values.len());
        for row in rows {
            let value = values
                .iter()
                .find(|value| format!("{value:?}") == row.code)
                .unwrap_or_else(|| panic!("{}", row.code));
            let (category, _) = classify(&Error::Pkcs11(*value, Function::Decrypt));
            assert_eq!(category.as_str(), row.category.as_str(), "{}", row.code);
            assert_eq!(
                category == Category::Unavailable,
                row.retried,
                "{}",
                row.code
            );
        }
    }

    /// A problem of the device does not mention a ciphertext, whichever function reports it.
    #[test]
    fn only_a_decryption_fails_for_its_ciphertext() {
        for value in [RvError::GeneralError, RvError::FunctionFailed] {
            for function in [Function::OpenSession, Function::Login, Function::DeriveKey] {
                let (category, _) = classify(&Error::Pkcs11(value, function));
                assert_eq!(
                    category,
                    Category::Unavailable,
                    "{value:?} from {function:?}"
                );
            }
        }
    }
}
