-- Only the external processor may set an x-link-* header: what a client sends under such a name goes at the door.
-- The one that opens routes goes first, and by its name, since a script that fails lets the request go on.
function envoy_on_request(handle)
  local headers = handle:headers()
  headers:remove("x-link-opened")
  local sent = {}
  for name in pairs(headers) do
    if string.sub(name, 1, 7) == "x-link-" then
      sent[#sent + 1] = name
    end
  end
  for _, name in ipairs(sent) do
    headers:remove(name)
  end
end
