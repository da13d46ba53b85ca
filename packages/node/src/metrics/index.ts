export { type Cell, LabelledCells } from './cells.ts';
export { Histogram } from './histogram.ts';
export { createMetrics, METRICS_CONTENT_TYPE, type Metrics, type MetricsOptions } from './metrics.ts';
