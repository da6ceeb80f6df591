//! Entra ID, Microsoft Graph and Azure Resource Manager as one deterministic world in memory.
//!
//! Shares no type with the client that talks to it but `http` and `bytes`.
