"""HTTP filters as an operator writes them."""

ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
RBAC = """
- name: my.waf
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
    rules:
      action: DENY
      policies:
        admin:
          permissions: [{ url_path: { path: { prefix: /admin } } }]
          principals: [{ any: true }]
"""
