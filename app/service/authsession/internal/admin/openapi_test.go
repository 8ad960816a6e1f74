package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

type object = map[string]any

// description is the document as it is served.
type description struct {
	t    *testing.T
	root object
}

func describedBy(t *testing.T, text string) *description {
	d := &description{t: t}
	require.NoError(t, json.Unmarshal([]byte(text), &d.root))
	return d
}

// resolve follows a $ref.
func (d *description) resolve(node any) object {
	o, ok := node.(object)
	require.True(d.t, ok, "%v is no object", node)
	ref, ok := o["$ref"].(string)
	if !ok {
		return o
	}
	at := any(d.root)
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		at = at.(object)[part]
		require.NotNil(d.t, at, "%s leads nowhere", ref)
	}
	return d.resolve(at)
}

// words are those of schemas that check knows.
var words = []string{
	"type", "format", "pattern", "enum", "properties", "required", "additionalProperties", "items", "maxItems",
	"minimum", "maximum", "maxLength", "minProperties", "default", "description", "example", "allOf",
}

// check holds a value against a schema of the dialect that openapi.yaml uses.
func (d *description) check(schema any, value any, at string) error {
	s := d.resolve(schema)
	for word := range s {
		if !slices.Contains(words, word) {
			return fmt.Errorf("%s: this test does not know %q", at, word)
		}
	}
	all, _ := s["allOf"].([]any)
	for _, part := range all {
		if err := d.check(part, value, at); err != nil {
			return err
		}
	}
	if list, ok := s["enum"].([]any); ok && !slices.Contains(list, value) {
		return fmt.Errorf("%s: %v is none of %v", at, value, list)
	}
	switch s["type"] {
	case "string":
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("%s: %v is no string", at, value)
		}
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(text) {
			return fmt.Errorf("%s: %q does not match %s", at, text, p)
		}
		if n, ok := s["maxLength"].(float64); ok && len(text) > int(n) {
			return fmt.Errorf("%s is too long", at)
		}
		switch s["format"] {
		case "date-time":
			if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		case "int64":
			if _, err := strconv.ParseInt(text, 10, 64); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		}
	case "integer":
		n, ok := value.(float64)
		least, bounded := s["minimum"].(float64)
		most, limited := s["maximum"].(float64)
		if !ok || n != math.Trunc(n) || bounded && n < least || limited && n > most {
			return fmt.Errorf("%s: %v is not the integer it should be", at, value)
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			return fmt.Errorf("%s: %v is no boolean", at, value)
		}
	case "array":
		list, ok := value.([]any)
		if most, limited := s["maxItems"].(float64); !ok || limited && len(list) > int(most) {
			return fmt.Errorf("%s: %v is not the list it should be", at, value)
		}
		for i, v := range list {
			if err := d.check(s["items"], v, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case "object":
		return d.checkObject(s, value, at)
	}
	return nil
}

func (d *description) checkObject(s object, value any, at string) error {
	members, ok := value.(object)
	if !ok {
		return fmt.Errorf("%s: %v is no object", at, value)
	}
	if least, ok := s["minProperties"].(float64); ok && len(members) < int(least) {
		return fmt.Errorf("%s has too few members", at)
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := members[name.(string)]; !ok {
			return fmt.Errorf("%s.%s is missing", at, name)
		}
	}
	properties, _ := s["properties"].(object)
	for name, v := range members {
		schema, known := properties[name]
		if !known {
			if schema = s["additionalProperties"]; schema == false || schema == nil && len(properties) > 0 {
				return fmt.Errorf("%s.%s is not described", at, name)
			}
		}
		if schema == nil {
			continue
		}
		if err := d.check(schema, v, at+"."+name); err != nil {
			return err
		}
	}
	return nil
}

// answer holds an answer against what an operation describes.
func (d *description) answer(operation object, code int, text string) error {
	responses := operation["responses"].(object)
	response, described := responses[strconv.Itoa(code)]
	if !described {
		if response, described = responses["default"]; !described || code < 500 {
			return fmt.Errorf("%d is not described", code)
		}
	}
	content, _ := d.resolve(response)["content"].(object)
	if content == nil {
		if text != "" {
			return fmt.Errorf("%d has a body", code)
		}
		return nil
	}
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return fmt.Errorf("%d: %w in %q", code, err, text)
	}
	return d.check(content["application/json"].(object)["schema"], value, strconv.Itoa(code))
}

// operations are by verb and path, as routes has them.
func (d *description) operations() map[string]object {
	all := map[string]object{}
	for path, item := range d.root["paths"].(object) {
		for verb, operation := range item.(object) {
			if verb == "parameters" {
				continue
			}
			o := operation.(object)
			shared, _ := item.(object)["parameters"].([]any)
			own, _ := o["parameters"].([]any)
			o["parameters"] = slices.Concat(shared, own)
			all[strings.ToUpper(verb)+" "+regexp.MustCompile(`\{(\w+)\}`).ReplaceAllString(path, ":$1")] = o
		}
	}
	return all
}

// pageTokens are such that lists give out.
var pageTokens = map[string]string{"ListSessions": "next", "ListAudit": rowToken(9), "ListDeadLetters": rowToken(9)}

func served(t *testing.T) (*api, *description) {
	a := serve(t, false, manyCalls)
	answer, text, err := a.call("GET", "/openapi.json", "", "")
	require.NoError(t, err)
	require.Equal(t, 200, answer.StatusCode)
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
	return a, describedBy(t, text)
}

// The document is an OpenAPI 3 document as far as this test can tell: every
// reference leads somewhere, every operation has a name and answers.
func TestTheDescriptionIsWhole(t *testing.T) {
	a, d := served(t)
	require.Regexp(t, `^3\.0\.`, d.root["openapi"])
	answer, text, err := a.call("GET", "/openapi.yaml", "", "")
	require.NoError(t, err)
	require.Equal(t, "application/yaml", answer.Header.Get("Content-Type"))
	require.Equal(t, string(openAPI), text)

	used := map[string]bool{}
	var walk func(node any)
	walk = func(node any) {
		switch node := node.(type) {
		case object:
			if ref, ok := node["$ref"].(string); ok {
				d.resolve(node)
				used[ref] = true
			}
			if _, isSchema := node["type"].(string); isSchema && node["in"] == nil && node["scheme"] == nil {
				for word := range node {
					require.Contains(t, words, word)
				}
			}
			for _, v := range node {
				walk(v)
			}
		case []any:
			for _, v := range node {
				walk(v)
			}
		}
	}
	walk(d.root)
	for kind, parts := range d.root["components"].(object) {
		for name := range parts.(object) {
			require.True(t, kind == "securitySchemes" || used["#/components/"+kind+"/"+name], "%s %s is not used", kind, name)
		}
	}
	names := map[any]bool{}
	for path, operation := range d.operations() {
		require.NotContains(t, names, operation["operationId"])
		names[operation["operationId"]] = true
		require.NotEmpty(t, operation["summary"], path)
		inPath := map[string]bool{}
		for _, p := range operation["parameters"].([]any) {
			if parameter := d.resolve(p); parameter["in"] == "path" {
				require.Equal(t, true, parameter["required"])
				inPath[":"+parameter["name"].(string)] = true
			}
		}
		for _, segment := range strings.Split(path, "/") {
			if strings.HasPrefix(segment, ":") {
				require.True(t, inPath[segment], "%s in %s", segment, path)
				delete(inPath, segment)
			}
		}
		require.Empty(t, inPath, path)
	}
}

// Every route is described and every described path is served; so is every
// parameter, and no other is taken.
func TestTheDescriptionIsThatOfTheRoutes(t *testing.T) {
	a, d := served(t)
	described := d.operations()
	want := []string{"GET /openapi.yaml", "GET /openapi.json"}
	want = append(want, "GET "+exportPath)
	for _, r := range routes {
		want = append(want, r.verb+" "+r.path)
	}
	slices.Sort(want)
	require.Equal(t, want, slices.Sorted(maps.Keys(described)))

	for _, r := range routes {
		operation := described[r.verb+" "+r.path]
		require.Contains(t, operation["description"], string(methods[r.method].scope), "%s names its scope", r.path)
		path := strings.NewReplacer(":hash", "2", ":user_id", "778", ":auth_key_id", "6", ":id", "1", ":webhook", "billing").Replace(r.path)
		body := map[string]string{
			"CleanUp": `{"older_than":"7200s"}`, "SetPolicy": "{}", "ChangePolicy": `{"limit":1}`,
			"RevokeMatching": `{"match":{"api_ids":[6]}}`, "RetryDeadLetters": `{"all":true}`, "PurgeDeadLetters": `{"all":true}`,
		}[r.method]
		var query []string
		for _, p := range operation["parameters"].([]any) {
			parameter := d.resolve(p)
			if parameter["in"] == "query" {
				value := map[string]string{
					"device_type": "web", "active": "true", "page_token": pageTokens[r.method], "dry_run": "true",
					"total": "true", "country": "DE", "ip": "10.0.0.0/8", "q": "x", "sort": "signed_in", "platform": "iOS", "device_model": "x",
				}[parameter["name"].(string)]
				if schema := d.resolve(parameter["schema"]); schema["format"] == "date-time" {
					value = "2026-01-01T00:00:00Z"
				}
				if value == "" {
					value = "1"
				}
				query = append(query, fmt.Sprintf("%s=%s", parameter["name"], value))
			}
		}
		code, text := a.must(r.verb, path+"?"+strings.Join(query, "&"), both(t), body)
		require.Less(t, code, 300, "%s %s?%s: %s", r.verb, path, query, text)
		require.NoError(t, d.answer(operation, code, text), "%s %s", r.verb, path)
		code, text = a.must(r.verb, path+"?another=1", both(t), body)
		require.Equal(t, 400, code, text)
	}
}

// Answers of every kind are as described.
func TestAnswersAreAsDescribed(t *testing.T) {
	a, d := served(t)
	described := d.operations()
	for _, r := range routes {
		operation := described[r.verb+" "+r.path]
		ask := func(id, bearer, body string) (int, string) {
			path := strings.NewReplacer(":hash", id, ":user_id", id, ":auth_key_id", id, ":id", id[:1], ":webhook", "billing").Replace(r.path)
			code, text := a.must(r.verb, path, bearer, body)
			require.NoError(t, d.answer(operation, code, text), "%s %s: %s", r.verb, path, text)
			return code, text
		}
		body := map[string]string{
			"CleanUp": `{"older_than":"7200s"}`, "SetPolicy": `{"strategy":"one","ttl_days":3}`, "ChangePolicy": `{"limit":0}`,
			"RevokeMatching": `{"match":{"countries":["DE"]}}`, "RetryDeadLetters": `{"ids":["7"]}`, "PurgeDeadLetters": `{"ids":["7"]}`,
		}[r.method]
		ask("4611686018427387905", both(t), body)
		code, _ := ask("x", "rubbish", body)
		require.Equal(t, 401, code)
		code, _ = ask("2", signed(t, jwt.SigningMethodHS256, []byte(admintest.Secret), jwt.MapClaims{"scope": ""}), body)
		require.True(t, code == 403 || r.method == "WhoAmI")
		ask("x", both(t), "x")
		ask("99", both(t), body)
		a.sessions.err = fmt.Errorf("away")
		a.server.calls.counts.last.Store(nil)
		code, _ = ask("2", both(t), body)
		require.True(t, code == 503 || r.method == "GetConfig" || r.method == "WhoAmI", r.method)
		a.sessions.err = nil
	}
	a.sessions.list = make([]sessions.Session, 500)
	for i := range a.sessions.list {
		a.sessions.list[i] = sessions.Session{Hash: int64(i + 1), DeviceType: "other", RevokeReason: logins.EndedByStockNode}
	}
	_, text := a.must("GET", "/v1/sessions", both(t), "")
	require.NoError(t, d.answer(described["GET /v1/sessions"], 200, text))
	require.ErrorContains(t, d.answer(described["GET /v1/sessions"], 200, strings.Replace(text, `"ip":""`, `"ip":5`, 1)), "ip: 5 is no string")
	require.ErrorContains(t, d.answer(described["GET /v1/sessions"], 200, strings.Replace(text, `"hash":"1"`, `"hsh":"1"`, 1)), "hash is missing")
	require.ErrorContains(t, d.answer(described["GET /v1/sessions"], 200, strings.Replace(text, `"region"`, `"regions":"","region"`, 1)), "regions is not described")
	require.ErrorContains(t, d.answer(described["GET /v1/sessions"], 201, text), "201 is not described")
	for _, r := range rpcerr.Rows {
		text := `{"error":{"code":"` + rpcerr.AnswerTo(r.Code).Name + `","message":"x"}}`
		require.NoError(t, d.answer(described["GET /v1/sessions"], 500, text))
	}
}

// Bodies that the description takes are taken, and others are not.
func TestBodiesAreAsDescribed(t *testing.T) {
	a, d := served(t)
	described := d.operations()
	for path, bodies := range map[string][]string{
		"POST /v1/sessions:cleanup": {
			`{"older_than":"7200s"}`, `{"older_than":"7200.5s","limit":5,"dry_run":true}`, `{}`, `{"older_than":7200}`,
			`{"older_than":"7200s","limit":-1}`, `{"older_than":"7200s","dry_run":"yes"}`, `{"older_than":"7200s","x":1}`, `[]`,
		},
		"PUT /v1/users/:user_id/policy": {
			`{}`, `{"ttl_days":3650,"strategy":"one","limit":10000}`, `{"ttl_days":3651}`, `{"ttl_days":1.5}`,
			`{"strategy":"two"}`, `{"strategy":1}`, `{"limit":-1}`, `{"x":1}`, `[]`,
		},
		"PATCH /v1/users/:user_id/policy": {
			`{}`, `{"ttl_days":0}`, `{"strategy":"one"}`, `{"limit":3,"ttl_days":5}`, `{"ttl_days":3651}`,
			`{"strategy":"two"}`, `{"user_id":"5","limit":1}`, `{"reason":"x","limit":1}`, `{"ticket":"x","limit":1}`, `[]`,
		},
		"POST /v1/sessions:revoke": {
			`{"match":{"api_ids":[6]}}`, `{"match":{"networks":["10.0.0.0/8"],"user_ids":["1"]},"limit":5,"dry_run":true,"reason":"r","ticket":"t"}`,
			`{}`, `{"match":{}}`, `{"match":{"countries":["DEU"]}}`, `{"match":{"api_ids":[0]}}`, `{"match":{"device_types":["x"]}}`, `{"match":{"x":1}}`, `{"match":{"api_ids":[6]},"limit":-1}`, `[]`,
		},
		"POST /v1/webhooks/:webhook/dead-letters:purge": {`{"ids":["1"]}`, `{"all":true,"dry_run":true,"ticket":"t"}`, `{}`, `{"ids":[1.5]}`, `{"x":1}`, `[]`},
		"POST /v1/webhooks/:webhook/dead-letters:retry": {`{"ids":["1"]}`, `{"all":true,"dry_run":true,"ticket":"t"}`, `{}`, `{"ids":[1.5]}`, `{"x":1}`, `[]`},
	} {
		verb, route, _ := strings.Cut(path, " ")
		schema := described[path]["requestBody"].(object)["content"].(object)["application/json"].(object)["schema"]
		for _, body := range bodies {
			var value any
			require.NoError(t, json.Unmarshal([]byte(body), &value))
			refused := d.check(schema, value, "body")
			code, text := a.must(verb, strings.NewReplacer(":user_id", "777", ":webhook", "billing").Replace(route), both(t), body)
			require.Equal(t, refused == nil, code == 200, "%s: %v, %d %s", body, refused, code, text)
		}
	}
}
