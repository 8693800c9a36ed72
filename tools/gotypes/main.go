// Prints the shape of the built-in Kubernetes types, read from the published Go structs by reflection: for every field its JSON
// name, its protobuf number and its type. The embedded API server uses the table to decode protobuf request bodies and to bring JSON
// bodies into the form in which a real server would store them. Run `go run . > ../../src/shipway/localcluster/apiserver/gotypes.json`.
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	apps "k8s.io/api/apps/v1"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	certificates "k8s.io/api/certificates/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	events "k8s.io/api/events/v1"
	networking "k8s.io/api/networking/v1"
	node "k8s.io/api/node/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	resource "k8s.io/api/resource/v1"
	scheduling "k8s.io/api/scheduling/v1"
	storage "k8s.io/api/storage/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

type field [3]any // JSON name ("" when inlined), protobuf number, type

var types = map[string][]field{}

// Types with their own JSON form, by package path suffix and name.
var special = map[string]string{
	"api/resource.Quantity":                         "quantity",
	"meta/v1.Time":                                  "time",
	"meta/v1.MicroTime":                             "microtime",
	"meta/v1.Duration":                              "duration",
	"meta/v1.FieldsV1":                              "fields",
	"util/intstr.IntOrString":                       "intorstring",
	"apimachinery/pkg/runtime.RawExtension":         "any",
	"apiextensions/v1.JSON":                         "any",
	"apiextensions/v1.JSONSchemaPropsOrArray":       "any",
	"apiextensions/v1.JSONSchemaPropsOrBool":        "any",
	"apiextensions/v1.JSONSchemaPropsOrStringArray": "any",
	"apiextensions/v1.JSONSchemaProps":              "any",
}

func qualified(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	if len(parts) > 2 {
		parts = parts[len(parts)-2:]
	}
	return strings.Join(parts, "/") + "." + t.Name()
}

func specialOf(t reflect.Type) string {
	full := t.PkgPath() + "." + t.Name()
	for suffix, name := range special {
		if strings.HasSuffix(full, "/"+suffix) || full == suffix {
			return name
		}
	}
	return ""
}

// spell gives the type in the table's notation: scalars by name, "[T", "{T", "*T" for lists, maps and pointers, "=T" for a named list.
func spell(t reflect.Type) string {
	if t.Kind() == reflect.Ptr {
		return "*" + spell(t.Elem())
	}
	if name := specialOf(t); name != "" {
		return name
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint8, reflect.Uint64:
		return "int"
	case reflect.Float64, reflect.Float32:
		return "float"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		if t.Name() != "" && t.Name() != "ResourceList" && t.Elem().Kind() == reflect.String {
			return "=" + spell(t.Elem())
		}
		return "[" + spell(t.Elem())
	case reflect.Map:
		return "{" + spell(t.Elem())
	case reflect.Struct:
		walk(t)
		return qualified(t)
	}
	panic(t.String())
}

func walk(t reflect.Type) {
	name := qualified(t)
	if _, seen := types[name]; seen {
		return
	}
	types[name] = []field{}
	fields := []field{}
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		parts := strings.Split(tag, ",")
		number := 0
		if proto := strings.Split(f.Tag.Get("protobuf"), ","); len(proto) > 1 {
			number, _ = strconv.Atoi(proto[1])
		}
		if f.Type.Name() == "TypeMeta" || parts[0] == "-" {
			continue
		}
		omit := "!" // always written; "" as omitempty does; "?" as omitzero does, which also leaves out empty structs
		for _, option := range parts[1:] {
			if option == "omitempty" && omit != "?" {
				omit = ""
			}
			if option == "omitzero" {
				omit = "?"
			}
		}
		if parts[0] == "" { // inlined
			omit = ""
		}
		fields = append(fields, field{parts[0], number, omit + spell(f.Type)})
	}
	types[name] = fields
}

func main() {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistration.AddToScheme, apps.AddToScheme, authentication.AddToScheme, authorization.AddToScheme,
		autoscalingv1.AddToScheme, autoscaling.AddToScheme, batch.AddToScheme, certificates.AddToScheme,
		coordination.AddToScheme, core.AddToScheme, resource.AddToScheme,
		discovery.AddToScheme, events.AddToScheme, networking.AddToScheme, node.AddToScheme, policy.AddToScheme,
		rbac.AddToScheme, scheduling.AddToScheme, storage.AddToScheme, apiextensions.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	roots := map[string]string{}
	for gvk, t := range scheme.AllKnownTypes() {
		if gvk.Version == "__internal" || gvk.Kind == "WatchEvent" || strings.HasSuffix(gvk.Kind, "Options") && gvk.Kind != "DeleteOptions" {
			continue
		}
		if strings.HasSuffix(gvk.Kind, "List") && gvk.Kind != "List" {
			continue
		}
		if gvk.Kind == "List" || gvk.Kind == "Status" || strings.HasPrefix(gvk.Kind, "API") || gvk.Kind == "RangeAllocation" {
			continue
		}
		walk(t)
		roots[gvk.GroupVersion().String()+"/"+gvk.Kind] = qualified(t)
	}
	write(roots)
}

// write prints one line per type, sorted, so that an update shows as a readable difference.
func write(roots map[string]string) {
	out := os.Stdout
	line := func(key string, value any, last bool) {
		encoded, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		out.WriteString(strconv.Quote(key) + ":" + string(encoded))
		if !last {
			out.WriteString(",")
		}
		out.WriteString("\n")
	}
	names := []string{}
	for name := range types {
		names = append(names, name)
	}
	sort.Strings(names)
	out.WriteString("{\"types\":{\n")
	for i, name := range names {
		line(name, types[name], i == len(names)-1)
	}
	out.WriteString("},\n")
	line("roots", roots, true)
	out.WriteString("}\n")
}
