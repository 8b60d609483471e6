package verdicts

import (
	"context"
	"os"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// The searches that the inspector of uploads goes by are made of vector instructions
// by the compiler of the module, which the tests of their package never see.
func TestTheModulesSearchesFindWhatPlainLoopsFind(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("../../bin/searches.wasm")
	if err != nil {
		t.Fatalf("run `make bin/searches.wasm`: %v", err)
	}
	ctx := context.Background()
	vm := wazero.NewRuntime(ctx)
	defer func() { _ = vm.Close(ctx) }()
	wasi_snapshot_preview1.MustInstantiate(ctx, vm)
	module, err := vm.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithStderr(os.Stderr).WithStartFunctions("_initialize"))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(3) {
		differs, err := module.ExportedFunction("check").Call(ctx, seed)
		if err != nil || differs[0] != 0 {
			t.Errorf("seed %d: comparison %v of selfcheck differs: %v", seed, differs, err)
		}
	}
}
