package verdicts

import (
	"context"
	"os"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// Envoy starts a VM for each configuration that it takes, to try it, and V8 gives back
// the memory of such a VM only if it has never grown: 3 MiB stayed of each when it had.
func TestTheModuleStartsInTheMemoryThatItBeginsWith(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("../../bin/gatehouse-nogrpc.wasm")
	if err != nil {
		t.Fatalf("run `make bin/gatehouse-nogrpc.wasm`: %v", err)
	}
	ctx := context.Background()
	vm := wazero.NewRuntime(ctx)
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
	const page = 64 << 10
	began := compiled.ExportedMemories()["memory"].Min() * page
	if size := module.Memory().Size(); size != began {
		t.Errorf("memory grew from %d to %d bytes before the first request", began, size)
	}
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
