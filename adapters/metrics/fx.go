package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
)

// Module provides an *Exporter of ports.Statistics, ports.Health, ports.Sources, a Server, and whatever stands in the value group "metrics". It needs
// the program's version as a Version, and a *slog.Logger. An adapter with metrics of its own provides its collectors with Collector.
var Module = fx.Module("metrics",
	fx.Provide(New, Collector(OfServer), Collector(OfSources), Collector(OfCore)),
	fx.Invoke(fx.Annotate(func(e *Exporter, all []prometheus.Collector) error { return e.Add(all...) }, fx.ParamTags("", Group))))

// Group is the tag of the value group of all collectors.
const Group = `group:"metrics"`

// Collector annotates a constructor that returns a prometheus.Collector, so that what it makes is exported.
func Collector(constructor any) any { return fx.Annotate(constructor, fx.ResultTags(Group)) }
