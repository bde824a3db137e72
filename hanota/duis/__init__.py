"""Service user documents (DUIS 5.4), sans-IO: Service Requests in XML."""
