-- SPDX-FileCopyrightText: The Nightlatch authors
-- SPDX-License-Identifier: Apache-2.0

-- Asks Nightlatch about each request, for HAProxy 2.6 and later. haproxy.md shows the configuration around it.
--
--	http-request lua.nightlatch http://127.0.0.1:9080 Remote-User,Remote-Name,Remote-Email,Remote-Groups
--
-- The first argument is where Nightlatch listens, by address, since HAProxy would look a name up each time. The second are the headers
-- that the application is told by.
--
-- Of a request that may pass, txn.nightlatch is set to true, and it carries those headers as Nightlatch says, and its cookies and its
-- Authorization without what is Nightlatch's. Any other request is answered here. If this function fails or runs out of time, HAProxy goes on with its next rule,
-- and txn.nightlatch is not set: the rule after it has to deny the request then.

local PATH = "/_nightlatch/forward-auth/haproxy"

-- How long Nightlatch may take, in milliseconds. HAProxy's client then asks again, three times.
local TIMEOUT = 1000

-- What belongs to the visitor's connection or body and not to the question. HAProxy's client cannot decompress. The rest is for the
-- rules, which may look at any header.
local NOT_ASKED = {
	["accept-encoding"] = true, ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true,
	["http2-settings"] = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true,
	["transfer-encoding"] = true, ["upgrade"] = true, ["x-forwarded-for"] = true, ["x-forwarded-host"] = true,
	["x-forwarded-method"] = true, ["x-forwarded-proto"] = true, ["x-forwarded-uri"] = true, ["x-original-method"] = true,
	["x-original-url"] = true,
}

-- What of an answer is not for the visitor: the frame of the message, which HAProxy makes anew, and cookies, which a refusal never sets.
local NOT_TOLD = {
	["connection"] = true, ["content-length"] = true, ["keep-alive"] = true, ["set-cookie"] = true, ["transfer-encoding"] = true,
}

-- The keys of programs in headers of their own. They are for Nightlatch, and not for the application.
local KEYS = { "nightlatch-client-id", "nightlatch-client-secret", "cf-access-client-id", "cf-access-client-secret" }

-- values turns the lines of a header, which HAProxy counts from 0, into what its client takes.
local function values(lines)
	local list = {}
	for i = 0, #lines do
		list[#list + 1] = lines[i]
	end
	return list
end

-- question is the request as Nightlatch has to know it, or nil where that cannot be said without doubt.
local function question(txn)
	local host, target = txn.f:req_hdr("host"), txn.f:pathq()
	if txn.f:req_hdr_cnt("host") ~= 1 or not host or not target or target:sub(1, 1) ~= "/" then
		return nil
	end
	local headers = {}
	for name, lines in pairs(txn.http:req_get_headers()) do
		if not NOT_ASKED[name] then
			headers[name] = values(lines)
		end
	end
	headers["host"] = { host }
	headers["x-forwarded-host"] = { host }
	headers["x-forwarded-uri"] = { target }
	headers["x-forwarded-method"] = { txn.f:method() }
	headers["x-forwarded-proto"] = { txn.sf:ssl_fc() == "1" and "https" or "http" }
	headers["x-forwarded-for"] = { txn.sf:src() }
	return headers
end

-- set puts the one value that Nightlatch has said into the request, in place of the visitor's. Without a value the header is gone.
local function set(txn, name, lines)
	txn.http:req_del_header(name)
	if lines and lines[0] and lines[0] ~= "" then
		txn.http:req_set_header(name, lines[0])
	end
end

-- refuse answers the visitor in place of the application, and ends the request.
local function refuse(txn, status, headers, body)
	local reply = txn:reply({ status = status })
	for name, lines in pairs(headers) do
		if not NOT_TOLD[name] then
			for i = 0, #lines do
				reply:add_header(name, lines[i])
			end
		end
	end
	reply:set_body(body)
	txn:done(reply)
end

core.register_action("nightlatch", { "http-req" }, function(txn, address, names)
	txn:set_var("txn.nightlatch", false)
	local headers = question(txn)
	if not headers then
		return refuse(txn, 400, { ["cache-control"] = { [0] = "no-store" } }, "")
	end
	local answer = core.httpclient():get({ url = address .. PATH, headers = headers, timeout = TIMEOUT })
	if answer.status == 200 then
		set(txn, "cookie", answer.headers["cookie"])
		set(txn, "authorization", answer.headers["authorization"])
		for _, name in ipairs(KEYS) do
			txn.http:req_del_header(name)
		end
		for name in names:gmatch("[^,]+") do
			set(txn, name, answer.headers[name:lower()])
		end
		txn:set_var("txn.nightlatch", true)
		return
	end
	if answer.status and answer.status >= 300 and answer.status <= 599 then
		return refuse(txn, answer.status, answer.headers, answer.body or "")
	end
	refuse(txn, 503, { ["cache-control"] = { [0] = "no-store" }, ["retry-after"] = { [0] = "5" } }, "")
end, 2)
