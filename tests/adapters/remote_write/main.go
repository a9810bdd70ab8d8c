// Writes to a Prometheus remote write 2.0 endpoint with Prometheus's own client, and prints what
// the endpoint confirms: written samples and histograms, and how often it was told to come back.
//
// Usage: remote_write URL TOKEN TIME_MS
package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
)

type withToken string

func (token withToken) RoundTrip(request *http.Request) (*http.Response, error) {
	request.Header.Set("Authorization", "Bearer "+string(token))
	return http.DefaultTransport.RoundTrip(request)
}

// observed is a native histogram of schema 0 with n observations in each of (1, 2] and (4, 8].
func observed(n uint64, timeMs int64) *writev2.Histogram {
	return &writev2.Histogram{
		Count:          &writev2.Histogram_CountInt{CountInt: 2 * n},
		Sum:            7.5 * float64(n), // 1.5 and 6
		PositiveSpans:  []*writev2.BucketSpan{{Offset: 1, Length: 1}, {Offset: 1, Length: 1}},
		PositiveDeltas: []int64{int64(n), 0},
		ZeroCount:      &writev2.Histogram_ZeroCountInt{},
		Timestamp:      timeMs,
	}
}

func request(timeMs int64) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	refs := func(labels ...string) []uint32 {
		return symbols.SymbolizeLabels(append([]string{"instance", "shop-1"}, labels...), nil)
	}
	counter, gauge := writev2.Metadata_METRIC_TYPE_COUNTER, writev2.Metadata_METRIC_TYPE_GAUGE
	stale := math.Float64frombits(0x7ff0000000000002)
	series := []*writev2.TimeSeries{
		{
			LabelsRefs: refs("__name__", "orders", "code", "200"),
			Metadata:   &writev2.Metadata{Type: counter, UnitRef: symbols.Symbolize("orders")},
			Samples: []*writev2.Sample{
				{Value: 10, Timestamp: timeMs}, {Value: 60, Timestamp: timeMs + 10_000},
			},
		},
		{
			LabelsRefs: refs("__name__", "queue"),
			Metadata:   &writev2.Metadata{Type: gauge},
			Samples:    []*writev2.Sample{{Value: 7.5, Timestamp: timeMs}, {Value: stale, Timestamp: timeMs + 1}},
		},
		{
			LabelsRefs: refs("__name__", "took_seconds"),
			Metadata:   &writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_HISTOGRAM},
			Histograms: []*writev2.Histogram{observed(100, timeMs), observed(110, timeMs+10_000)},
		},
	}
	return &writev2.Request{Symbols: symbols.Symbols(), Timeseries: series}
}

func main() {
	timeMs, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil {
		panic(err)
	}
	api, err := remote.NewAPI(
		os.Args[1],
		remote.WithAPIHTTPClient(&http.Client{Transport: withToken(os.Args[2])}),
		remote.WithAPIBackoff(remote.BackoffConfig{
			Min: 10 * time.Millisecond, Max: 100 * time.Millisecond, MaxRetries: 5,
		}),
	)
	if err != nil {
		panic(err)
	}
	retries := 0
	again := remote.WithWriteRetryCallback(func(error) { retries++; fmt.Fprintln(os.Stderr, "again") })
	stats, err := api.Write(context.Background(), remote.WriteV2MessageType, request(timeMs), again)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("%d %d %d\n", stats.Samples, stats.Histograms, retries)
}
