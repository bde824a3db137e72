"""The cases, by what they are about; `hanota.conformance.catalogue` lists them all."""
