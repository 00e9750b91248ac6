-- Only the external processor may set an x-link-* header: what a client sends under such a name goes at the door.
-- The one that opens routes has gone before any filter, and goes here again, first and by its name: a script that
-- fails lets the request go on.
-- Routes for plain requests name families of headers of their own, in their metadata, and what is exempt.
local function starts_with_one(name, families)
  for _, family in ipairs(families) do
    if string.sub(name, 1, #family) == family then
      return true
    end
  end
  return false
end

local function contains(names, wanted)
  for _, name in ipairs(names) do
    if name == wanted then
      return true
    end
  end
  return false
end

local function strip(headers, families, exempt)
  local sent = {}
  for name in pairs(headers) do
    if starts_with_one(name, families) and not contains(exempt, name) then
      sent[#sent + 1] = name
    end
  end
  for _, name in ipairs(sent) do
    headers:remove(name)
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  headers:remove("x-link-opened")
  strip(headers, { "x-link-" }, {})
  local route = handle:metadata()
  strip(headers, route:get("families") or {}, route:get("except") or {})
end
