package verdicts

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// Envoy starts a VM for each configuration that it takes, to try it, and V8 gives back
// the memory of such a VM only if it has never grown: 3 MiB stayed of each when it had.
// That is promised of the module that TinyGo makes. Go's own runtime takes its heap by
// growing, whatever the module begins with: there no more is promised than how far.
func TestTheModuleStartsInTheMemoryThatItBeginsWith(t *testing.T) {
	t.Parallel()
	const mostByGo = 8 << 20
	for _, file := range []string{"gatehouse-nogrpc.wasm", "gatehouse-nogrpc-go.wasm"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			began, started, byGo := startedIn(t, "../../bin/"+file)
			switch {
			case !byGo && started != began:
				t.Errorf("memory grew from %d to %d bytes before the first request", began, started)
			case byGo && started > mostByGo:
				t.Errorf("%d bytes of memory before the first request, more than Go's runtime needs", started)
			}
		})
	}
}

// startedIn is how much memory a module begins with, and has once it has started. byGo
// tells whose compiler made it: Go's names its build in each module.
func startedIn(t *testing.T, file string) (began, started uint32, byGo bool) {
	t.Helper()
	code, err := os.ReadFile(file) // #nosec G304 -- of this tree
	if err != nil {
		t.Fatalf("run `make %s`: %v", strings.TrimPrefix(file, "../../"), err)
	}
	ctx := context.Background()
	vm := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCustomSections(true))
	defer func() { _ = vm.Close(ctx) }()
	compiled, err := vm.CompileModule(ctx, code)
	if err != nil {
		t.Fatal(err)
	}
	wasi_snapshot_preview1.MustInstantiate(ctx, vm)
	pretendHost(ctx, t, vm, compiled)
	module, err := vm.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithStderr(os.Stderr).WithStartFunctions("_initialize"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := module.ExportedFunction("proxy_on_vm_start").Call(ctx, 1, 0); err != nil {
		t.Fatal(err)
	}
	byGo = slices.ContainsFunc(compiled.CustomSections(), func(s api.CustomSection) bool { return s.Name() == "go:buildid" })
	const page = 64 << 10
	return compiled.ExportedMemories()["memory"].Min() * page, module.Memory().Size(), byGo
}

// pretendHost answers every call of the ABI with "ok".
func pretendHost(ctx context.Context, t *testing.T, vm wazero.Runtime, of wazero.CompiledModule) {
	t.Helper()
	host := vm.NewHostModuleBuilder("env")
	ok := api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
		if len(stack) > 0 {
			stack[0] = 0
		}
	})
	for _, f := range of.ImportedFunctions() {
		if module, name, imported := f.Import(); imported && module == "env" {
			host.NewFunctionBuilder().WithGoModuleFunction(ok, f.ParamTypes(), f.ResultTypes()).Export(name)
		}
	}
	if _, err := host.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
}
