"""Types of ops: those that compute with nothing but what they are given, and those that reach outside of a graph.

Whatever a graph runs has to be among the first: a list of all that is harmless stays right when a library brings new
ops. The second serve to refuse a graph that merely holds one, and to say why.
"""

import re

# Tensors in, tensors out: no file, no network, no other process, no Python, and no function that could hold those.
_HARMLESS = """
Abs AccumulateNV2 Acos Acosh Add AddN AddV2 AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation All Angle Any
ApproximateEqual ArgMax ArgMin AsString Asin Asinh Assert Atan Atan2 Atanh AvgPool AvgPool3D BatchMatMul BatchMatMulV2
BatchNormWithGlobalNormalization BatchToSpace BatchToSpaceND BesselI0e BesselI1e Betainc BiasAdd BiasAddV1 Bincount
Bitcast BitwiseAnd BitwiseOr BitwiseXor BlockLSTM BlockLSTMV2 BroadcastArgs BroadcastTo Bucketize Cast Ceil
CheckNumerics Cholesky ClipByValue CombinedNonMaxSuppression Complex ComplexAbs Concat ConcatOffset ConcatV2 Conj
ConjugateTranspose Const ControlTrigger Conv2D Conv2DBackpropInput Conv3D Conv3DBackpropInput Conv3DBackpropInputV2 Cos
Cosh CropAndResize Cross Cumprod Cumsum CumulativeLogsumexp DataFormatDimMap DataFormatVecPermute DecodeAndCropJpeg
DecodeBmp DecodeGif DecodeJpeg DecodePng DecodeRaw DeepCopy DepthToSpace DepthwiseConv2dNative Dequantize Diag DiagPart
Digamma Dilation2D Div DivNoNan DrawBoundingBoxes DrawBoundingBoxesV2 DynamicPartition DynamicStitch Einsum Elu Empty
EmptyTensorList EncodeJpeg EncodePng EnsureShape Enter Equal Erf Erfc EuclideanNorm Exit Exp ExpandDims Expm1
ExtractGlimpse ExtractImagePatches ExtractJpegShape ExtractVolumePatches FFT FFT2D FFT3D FakeQuantWithMinMaxArgs
FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel Fill Floor FloorDiv FloorMod FractionalAvgPool
FractionalMaxPool FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 FusedPadConv2D FusedResizeAndPadConv2D GRUBlockCell
Gather GatherNd GatherV2 Greater GreaterEqual GuaranteeConst HSVToRGB HistogramFixedWidth IFFT IFFT2D IFFT3D IRFFT
IRFFT2D IRFFT3D Identity IdentityN Igamma Igammac Imag InTopK InTopKV2 InplaceAdd InplaceSub InplaceUpdate Inv Invert
InvertPermutation IsFinite IsInf IsNan IsVariableInitialized L2Loss LRN LSTMBlockCell LeakyRelu LeftShift Less LessEqual
Lgamma LinSpace ListDiff Log Log1p LogMatrixDeterminant LogSoftmax LogicalAnd LogicalNot LogicalOr LoopCond LowerBound
Lu MatMul MatrixBandPart MatrixDeterminant MatrixDiag MatrixDiagPart MatrixDiagPartV2 MatrixDiagV2 MatrixExponential
MatrixInverse MatrixLogarithm MatrixSetDiag MatrixSetDiagV2 MatrixSolve MatrixSolveLs MatrixSquareRoot
MatrixTriangularSolve Max MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax Maximum Mean Merge Min Minimum MirrorPad Mod Mul
MulNoNan Multinomial Neg NextAfter NextIteration NoOp NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3
NonMaxSuppressionV4 NonMaxSuppressionV5 NonMaxSuppressionWithOverlaps NotEqual NthElement OneHot OnesLike Pack Pad PadV2
ParallelConcat ParallelDynamicStitch ParameterizedTruncatedNormal ParseExample ParseSequenceExample ParseSingleExample
ParseSingleSequenceExample ParseTensor Placeholder PlaceholderV2 PlaceholderWithDefault Polygamma PopulationCount Pow
PreventGradient Print Prod Qr QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3
QuantizeDownAndShrinkRange QuantizeV2 QuantizedAdd QuantizedAvgPool QuantizedBiasAdd QuantizedConcat QuantizedConv2D
QuantizedDepthwiseConv2D QuantizedMatMul QuantizedMaxPool QuantizedMul QuantizedRelu QuantizedRelu6 QuantizedReluX
QuantizedReshape QuantizedResizeBilinear RFFT RFFT2D RFFT3D RGBToHSV RandomCrop RandomGamma RandomPoisson
RandomPoissonV2 RandomShuffle RandomStandardNormal RandomUniform RandomUniformInt Range Rank ReadVariableOp Real RealDiv
Reciprocal ReduceJoin RefEnter RefExit RefIdentity RefMerge RefNextIteration RefSelect RefSwitch RegexFullMatch
RegexReplace Relu Relu6 RequantizationRange Requantize Reshape ResizeArea ResizeBicubic ResizeBilinear
ResizeNearestNeighbor ResourceGather ResourceGatherNd Reverse ReverseSequence ReverseV2 RightShift Rint Roll Round Rsqrt
SampleDistortedBoundingBox SampleDistortedBoundingBoxV2 ScaleAndTranslate ScatterNd SegmentMax SegmentMean SegmentMin
SegmentProd SegmentSum Select SelectV2 SelfAdjointEigV2 Selu Shape ShapeN Sigmoid Sign Sin Sinh Size Slice Snapshot
Softmax Softplus Softsign SpaceToBatch SpaceToBatchND SpaceToDepth SparseAdd SparseConcat SparseFillEmptyRows
SparseMatMul SparseReduceMax SparseReduceSum SparseReorder SparseReshape SparseSegmentMean
SparseSegmentMeanWithNumSegments SparseSegmentSqrtN SparseSegmentSqrtNWithNumSegments SparseSegmentSum
SparseSegmentSumWithNumSegments SparseSlice SparseSoftmax SparseSplit SparseTensorDenseAdd SparseTensorDenseMatMul
SparseToDense Split SplitV Sqrt Square SquaredDifference Squeeze Stack StackClose StackCloseV2 StackPop StackPopV2
StackPush StackPushV2 StackV2 StatelessMultinomial StatelessRandomNormal StatelessRandomUniform
StatelessRandomUniformInt StatelessTruncatedNormal StaticRegexFullMatch StaticRegexReplace StopGradient StridedSlice
StringFormat StringJoin StringLength StringLower StringSplit StringSplitV2 StringStrip StringToHashBucketFast
StringToNumber StringUpper Sub Substr Sum Svd Switch Tan Tanh TensorArray TensorArrayClose TensorArrayCloseV2
TensorArrayCloseV3 TensorArrayConcat TensorArrayConcatV2 TensorArrayConcatV3 TensorArrayGather TensorArrayGatherV2
TensorArrayGatherV3 TensorArrayPack TensorArrayRead TensorArrayReadV2 TensorArrayReadV3 TensorArrayScatter
TensorArrayScatterV2 TensorArrayScatterV3 TensorArraySize TensorArraySizeV2 TensorArraySizeV3 TensorArraySplit
TensorArraySplitV2 TensorArraySplitV3 TensorArrayUnpack TensorArrayV2 TensorArrayV3 TensorArrayWrite TensorArrayWriteV2
TensorArrayWriteV3 TensorListConcat TensorListConcatLists TensorListConcatV2 TensorListElementShape TensorListFromTensor
TensorListGather TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack TensorListPushBackBatch
TensorListReserve TensorListResize TensorListScatter TensorListScatterIntoExistingList TensorListScatterV2
TensorListSetItem TensorListSplit TensorListStack TensorScatterAdd TensorScatterSub TensorScatterUpdate Tile TopK TopKV2
Transpose TridiagonalSolve TruncateDiv TruncateMod TruncatedNormal Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2
Unpack UnravelIndex UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum UpperBound VarHandleOp
VarIsInitializedOp Variable VariableShape VariableV2 Where Xdivy Xlogy ZerosLike Zeta
"""
HARMLESS = frozenset(_HARMLESS.split())

# What brings values into variables.
ASSIGNING = frozenset(("Assign", "AssignVariableOp"))
RESTORING = frozenset(("Restore", "RestoreSlice", "RestoreV2"))

_OUTSIDE = {
    "runs Python code": r"PyFunc|PyFuncStateless|EagerPyFunc",
    "reads or writes files": r"ReadFile|WriteFile|MatchingFiles|ImmutableConst|LoadAndRemapMatrix|"
                             r"GenerateVocabRemapping|DecodeProtoV2|EncodeProto|"
                             r"InitializeTableFromTextFile\w*|FixedUnigramCandidateSampler|"
                             r"Skipgram|RecordInput|\w*Reader\w*|\w*SummaryWriter|CreateSummary\w*|Write\w*Summary|"
                             r"ImportEvent",
    "reads data sets": r"\w*Dataset\w*|\w*Iterator\w*",
    "waits for a queue": r"\w*Queue\w*|Barrier\w*|\w*Infeed\w*|\w*Outfeed\w*",
    "talks to other processes": r"Rpc|TryRpc|_?(Host|Xla)?(Send|Recv)|Collective\w*|Nccl\w*|RemoteCall|BigQuery\w*|"
                                r"\w*Bigtable\w*|Gcs\w*|Kafka\w*|\w*TPU\w*|WorkerHeartbeat|"
                                r"Debug(Identity|NanCount|NumericSummary)\w*",
    "ends the process": r"Abort",
}


def outside(op_type: str) -> str:
    """What an op of this type does outside of its graph, in words; empty where nothing is known of it."""
    return next((what for what, pattern in _OUTSIDE.items() if re.fullmatch(pattern, op_type)), "")
